//! RFC 8693 against the provider double.

//! Expressions over what is proven about a call, in CEL.

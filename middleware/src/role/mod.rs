//! Which IAM role a caller acts in.

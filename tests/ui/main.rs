//! Programs that must not compile, and what the compiler says to them.

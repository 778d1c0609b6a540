//! The layers, over real HTTP against the doubles.

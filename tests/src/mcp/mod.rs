//! MCP clients that nobody here wrote: rmcp's, in process, and Python's.

mod python;
mod rmcp;

pub use self::{
    python::{Python, Running},
    rmcp::{Era, Wire},
};

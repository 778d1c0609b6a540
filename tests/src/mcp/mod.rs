//! MCP clients that nobody here wrote: rmcp's, in process, and Python's.

mod person;
mod python;
mod rmcp;

pub use self::{
    person::{Heard, Person},
    python::{Python, Running},
    rmcp::{Era, Wire},
};

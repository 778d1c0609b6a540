//! Amazon Bedrock AgentCore: where a runtime is called, and on whose behalf.

mod runtime;
mod user;

pub use self::{
    runtime::{AgentRuntime, InvalidAgentRuntime},
    user::{AgentUser, AgentUserFuture, AgentUserLayer},
};

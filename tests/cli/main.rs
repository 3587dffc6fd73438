//! The programs as people and scripts use them: what they print, their exit codes, and that bad input costs nothing.

mod agent;
mod bad_config;
mod bad_objects;
mod bad_target;
mod flow;
mod interrupted;
mod lab;
mod target;

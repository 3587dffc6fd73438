//! Asking before anything is changed.

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::prompt;

/// `yes`: who started the command has said so already. Where nobody can be asked, the answer is no.
pub(super) fn confirm(yes: bool, context: &Context) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let refused = |what: &str| CliError::refused(what, "Nothing was changed. Say --yes to do it without a question.");
    if !prompt::is_possible() {
        return Err(refused("nobody is there to say yes"));
    }
    if prompt::yes("Do this? [y/N] ", &context.stop)? { Ok(()) } else { Err(refused("you did not say yes")) }
}

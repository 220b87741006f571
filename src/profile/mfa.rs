//! The second factor that a profile asks for: `mfa_serial`, and `mfa_process` as aws-vault has it.

use super::Mfa;
use super::check;
use super::profiles::Profile;
use crate::error::Result;

/// The profile's device, if it names one. `mfa_process` alone asks for nothing.
///
/// # Errors
/// When a value is not what it should be.
pub(super) fn of(profile: &Profile<'_>) -> Result<Option<Mfa>> {
    let Some(found) = profile.get("mfa_serial") else { return Ok(None) };
    let serial = found.text()?;
    if !check::is_mfa_serial(serial) {
        return Err(found.error(
            &format!("is `{serial}`, which is not a device"),
            "write it as arn:aws:iam::123456789012:mfa/NAME, or as the hardware device's serial number",
        ));
    }
    let process = match profile.get("mfa_process") {
        None => None,
        Some(process) => match process.text()? {
            "" => return Err(process.error("is empty", "name a program that prints the code, or remove the key")),
            command => Some(command.to_owned()),
        },
    };
    Ok(Some(Mfa { profile: profile.name.clone(), serial: serial.to_owned(), process }))
}

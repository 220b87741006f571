//! The generated AWS config file: the profile's settings, with our helper, or nothing, as a source of credentials.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::settings::Facts;
use crate::error::{Error, Result};
use crate::profile::leads_to_credentials;

/// The file's text: `[default]` and `[profile NAME]`, both of which run `helper` as credential_process, where there is one.
///
/// SDKs split the command line in different ways (shlex without a shell, `sh -c`, after cutting at ` #` or ` ;`), so
/// `helper` must be an absolute path of letters, digits and `.` `_` `/` `-`.
///
/// # Errors
/// When the path, the profile's name or a setting cannot be written so that every SDK reads the same.
pub fn text(helper: Option<&Path>, facts: &Facts<'_>) -> Result<String> {
    let command = helper.map(command).transpose()?;
    let mut text = String::from("# Written by sentinel, and removed when the command ends.\n");
    let mut sections = vec!["[default]".to_owned()];
    if facts.profile_name != "default" {
        sections.push(format!("[profile {}]", section_name("profile", facts.profile_name)?));
    }
    for section in sections {
        text.push_str(&format!("{section}\n"));
        if let Some(command) = &command {
            text.push_str(&format!("credential_process = {command}\n"));
        }
        if let Some(region) = facts.region {
            push_setting(&mut text, "region", region)?;
        }
        if let Some(services) = facts.services {
            push_setting(&mut text, "services", services.name)?;
        }
        for (name, value) in facts.settings {
            if !leads_to_credentials(name) && !["region", "services"].contains(&name.as_str()) {
                push_setting(&mut text, name, value)?;
            }
        }
    }
    if let Some(services) = facts.services {
        text.push_str(&format!("[services {}]\n", section_name("services section", services.name)?));
        for (name, value) in services.settings {
            push_setting(&mut text, name, value)?;
        }
    }
    Ok(text)
}

/// `"/run/user/1000/sentinel/0123/sentinel" credentials`.
fn command(helper: &Path) -> Result<String> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._/-".contains(byte);
    match helper.to_str() {
        Some(path) if helper.is_absolute() && helper.as_os_str().as_bytes().iter().all(is_plain) => {
            Ok(format!("\"{path}\" credentials"))
        }
        _ => Err(Error::new(format!("{} is not a path that every AWS SDK can read in a command", helper.display()))
            .hint("set XDG_RUNTIME_DIR or TMPDIR to a directory named with letters, digits, `.`, `_` and `-`")),
    }
}

/// The name as it stands in a section's heading: quoted if it has a space.
fn section_name(kind: &str, name: &str) -> Result<String> {
    let breaks = |c: char| c.is_control() || "\"'\\[]#;".contains(c);
    if name.is_empty() || name.contains(breaks) {
        return Err(Error::new(format!(
            "the {kind} `{}` has a name that AWS config files cannot hold",
            name.escape_debug()
        ))
        .hint("rename it, or run without a server"));
    }
    Ok(if name.contains(char::is_whitespace) { format!("\"{name}\"") } else { name.to_owned() })
}

/// `name = value`. A nested block's value starts with a newline; every line after the first is indented, so that it
/// stays part of the value.
fn push_setting(text: &mut String, name: &str, value: &str) -> Result<()> {
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if !is_name {
        return Err(Error::new(format!(
            "the setting `{}` has a name that AWS config files cannot hold",
            name.escape_debug()
        )));
    }
    let value = value.trim_end_matches('\n');
    let is_nested = value.starts_with('\n');
    let is_indented = |line: &str| line.starts_with([' ', '\t']) && !line.trim_start().starts_with('[');
    if !value.split('\n').skip(1).all(is_indented) || value.contains(|c: char| c.is_control() && c != '\n' && c != '\t')
    {
        return Err(Error::new(format!(
            "the value of `{name}` has a line break or control character that would change the file"
        ))
        .hint("mend it in the AWS config file"));
    }
    let space = if is_nested || value.is_empty() { "" } else { " " };
    text.push_str(&format!("{name} ={space}{value}\n"));
    Ok(())
}

#[cfg(test)]
mod tests;

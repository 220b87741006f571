//! `sentinel credentials`: prints credentials as a credential_process does (AWS SDKs and Tools Reference Guide).
//!
//! Inside the tree of an `exec --unix-socket` it asks that sentinel's socket, which is how unmodified SDKs come to their
//! credentials, and where SENTINEL_UNIX_SOCKET names a service's it asks that; elsewhere it vends directly.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::outer_token;
use super::prepare::{DEFAULT_DURATION, Purpose, prepare, vend_to_invoker};
use super::refused::{Asked, Refusal};
use super::settings;
use crate::clock::{Clock, SystemClock, rfc3339_s};
use crate::deployment::Deployment;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::http::client::{Answer, parse, request};
use crate::policy::Mode;
use crate::secret::Secret;
use crate::sys::poll::wait_readable;
use crate::sys::process::refuse_inspection;

/// How long a slow login may take. The Rust SDK gives up on a credential_process after 21 s, the first of all.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a connection that is closed without an answer is made again: a server whose slots are all busy drops it.
const DROPS: u32 = 3;
/// Between two questions while the login goes on.
const PAUSE: Duration = Duration::from_millis(250);
/// The server answers within 1 s, an error at the latest.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// A credentials answer is about 2 KiB.
const ANSWER_LIMIT_BYTES: usize = 64 * 1024;

/// What `exec --server` sets for its child.
const CONTAINER_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";

/// How an answer begins that has credentials behind it.
const GRANTED: &[u8; 12] = b"HTTP/1.1 200";

/// Prints the credentials and returns the exit status.
///
/// # Errors
/// When there are no credentials to give.
pub(super) fn run(settings: &settings::Credentials, env: &Env) -> Result<u8> {
    let common = &settings.common;
    let asks_outer = !settings.names_profile || common.profile.as_deref() == env.text("AWS_SENTINEL")?;
    match env.os("SENTINEL_UNIX_SOCKET") {
        Some(socket) if asks_outer => match &settings.shaping_flag {
            // A session policy that nobody applies would be taken for one.
            Some(flag) => Err(Asked::of(env).refuse_shaping(flag)),
            None => {
                let token = outer_token::read(env)?;
                let token = token.as_ref().map(Secret::expose_str);
                from_socket(Path::new(socket), Asked::of(env), token, settings.role_arn.as_deref())
            }
        },
        _ if settings.role_arn.is_some() => Err(no_socket(env)),
        // The generated config has no source in it, so that looking there would end in a sentence about files.
        _ if !settings.names_profile && env.os("AWS_SENTINEL").is_some() && env.os(CONTAINER_URI).is_some() => {
            Err(Error::new("the `sentinel exec --server` around this serves over TCP, and not to this command").hint(
                "AWS's tools and SDKs fetch credentials there by themselves; with --unix-socket they run this command",
            ))
        }
        _ => directly(common, env),
    }
}

/// A role is asked for where there is a socket to ask.
fn no_socket(env: &Env) -> Error {
    let error = Error::usage("--role-arn asks the socket of an `exec --ecs-server --unix-socket` or a `serve ecs`");
    match (env.os("SENTINEL_UNIX_SOCKET"), env.os("AWS_SENTINEL")) {
        (Some(_), Some(outer)) => error.hint(format!("its profile is `{}`: leave --profile out", outer.display())),
        (Some(_), None) => error.hint("SENTINEL_UNIX_SOCKET names one: leave --profile out"),
        (None, Some(_)) if env.os(CONTAINER_URI).is_some() => error.hint(format!(
            "the one around this serves over TCP: the tool asks for {CONTAINER_URI} with role-arn/ARN behind it"
        )),
        _ => error.hint("there is none: start one, or give --profile one whose role_arn is the role"),
    }
}

/// The container endpoint's body, as our own server writes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Served<'a> {
    #[serde(borrow)]
    access_key_id: &'a str,
    secret_access_key: &'a str,
    token: &'a str,
    expiration: &'a str,
    account_id: Option<&'a str>,
}

/// What a credential_process prints.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Printed<'a> {
    version: u32,
    access_key_id: &'a str,
    secret_access_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

fn from_socket(socket: &Path, asked: Asked, token: Option<&str>, role_arn: Option<&str>) -> Result<u8> {
    let clock = SystemClock;
    let deadline = clock.boot().saturating_add(PATIENCE);
    let mut dropped = 0;
    loop {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ANSWER_LIMIT_BYTES));
        let stream = ask(socket, asked, request(token, role_arn), &mut bytes)?;
        if bytes.is_empty() && dropped < DROPS {
            dropped += 1;
            std::thread::sleep(PAUSE);
            continue;
        }
        let Some(Answer { status, body }) = parse(&bytes) else {
            let error = Error::new(format!("the sentinel on {} gave no whole answer", socket.display()));
            return Err(error.hint(asked.dropped()));
        };
        if status == 200 {
            let served: Served<'_> = serde_json::from_slice(body).map_err(|_| {
                Error::new(format!("the sentinel on {} gave an answer without credentials", socket.display()))
            })?;
            return print(&Printed {
                version: 1,
                access_key_id: served.access_key_id,
                secret_access_key: served.secret_access_key,
                session_token: Some(served.token),
                expiration: Some(served.expiration),
                account_id: served.account_id,
            });
        }
        // SDKs do not ask a credential_process a second time.
        if matches!(status, 429 | 503) && clock.boot() < deadline {
            std::thread::sleep(PAUSE);
            continue;
        }
        let refusal: Refusal = serde_json::from_slice(body)
            .map_err(|_| Error::new(format!("the sentinel on {} answered with status {status}", socket.display())))?;
        return Err(asked.explain(&refusal, role_arn, token.is_some(), (&stream, socket)));
    }
}

/// Asks once. Returns the connection, which names who served it.
fn ask(socket: &Path, asked: Asked, mut question: String, answer: &mut Vec<u8>) -> Result<UnixStream> {
    let unreachable = |error: io::Error| {
        Error::new(format!("no sentinel answers on {}", socket.display())).because(error).hint(asked.unreachable())
    };
    let mut stream = UnixStream::connect(socket).map_err(unreachable)?;
    let sent = stream.write_all(question.as_bytes());
    question.zeroize();
    if let Err(error) = sent
        && !is_cut(&error)
    {
        return Err(unreachable(error));
    }
    let timed_out = || {
        Error::new(format!("the sentinel on {} did not answer within 10 s", socket.display()))
            .hint("its own messages say why")
    };
    // One deadline for all of it: a byte now and then is no answer.
    let deadline = SystemClock.boot().saturating_add(ANSWER_LIMIT);
    let judge = |read: io::Result<()>| match read {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => Err(timed_out()),
        // Cut: judged by what had come.
        Err(error) if !is_cut(&error) => Err(unreachable(error)),
        _ => Ok(()),
    };
    judge(read_up_to(&stream, GRANTED.len(), deadline, answer))?;
    if answer.as_slice() == GRANTED {
        // Not earlier: on kernels without SO_PEERPIDFD the server finds us by our descriptors, which a process that refuses
        // inspection hides, and we may have to ask again. Until here there is nothing to hide but the token, which the
        // whole tree has.
        refuse_inspection().map_err(|error| Error::new("cannot refuse to be inspected").because(error))?;
    }
    judge(read_up_to(&stream, ANSWER_LIMIT_BYTES, deadline, answer))?;
    Ok(stream)
}

/// Reads until the answer has this many bytes or the stream ends; TimedOut at the deadline, on the boot clock.
fn read_up_to(mut stream: &UnixStream, limit: usize, deadline: Duration, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut piece = Zeroizing::new([0; 4096]);
    while answer.len() < limit {
        let left = deadline.saturating_sub(SystemClock.boot());
        let left_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        if left_ms == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if wait_readable([stream.as_fd()], left_ms)? == [false] {
            continue;
        }
        let room = piece.len().min(limit.saturating_sub(answer.len()));
        match stream.read(piece.get_mut(..room).unwrap_or_default())? {
            0 => return Ok(()),
            read => answer.extend_from_slice(piece.get(..read).unwrap_or_default()),
        }
    }
    Ok(())
}

/// Whether the server closed the connection, in one of the ways in which that is told.
fn is_cut(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}

fn directly(settings: &settings::Common, env: &Env) -> Result<u8> {
    refuse_inspection().map_err(|error| Error::new("cannot refuse to be inspected").because(error))?;
    let purpose = Purpose {
        profile: None,
        deployment: Deployment::OF_A_RUN,
        mode: Mode::CredentialProcess,
        served: false,
        attended: true,
        duration: settings.duration,
        default_duration: DEFAULT_DURATION,
    };
    let prepared = prepare(settings, env, &purpose)?;
    let vended = vend_to_invoker(&prepared.vendor)?;
    let keys = vended.credentials.keys();
    let expiration = vended.credentials.expiration().map(rfc3339_s);
    print(&Printed {
        version: 1,
        access_key_id: &keys.access_key_id,
        secret_access_key: keys.secret_access_key.expose_str(),
        session_token: keys.session_token.as_ref().map(Secret::expose_str),
        expiration: expiration.as_deref(),
        account_id: vended.credentials.account(),
    })
}

/// Writes the JSON in one piece and past std's buffer, which would keep a copy.
fn print(printed: &Printed<'_>) -> Result<u8> {
    let cannot = |error: io::Error| Error::new("cannot write to stdout").because(error);
    let mut json = Zeroizing::new(Vec::with_capacity(ANSWER_LIMIT_BYTES));
    serde_json::to_writer(&mut *json, printed).map_err(|error| cannot(error.into()))?;
    json.push(b'\n');
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(cannot)?);
    stdout.write_all(&json).map_err(cannot)?;
    Ok(0)
}

//! What a service manager is told (sd_notify(3)): that this serves, that it reads its settings again, that it ends, and that
//! the thread that accepts still turns.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::env::Env;
use crate::error::{Error, Result};
use crate::sys;
use crate::sys::process::own_pid;

/// The variables that are for this process, and for nobody that it starts.
const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// Where messages go, if anywhere.
#[derive(Debug, Default)]
pub struct Manager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Manager {
    /// Reads the variables, and removes them.
    ///
    /// # Errors
    /// A NOTIFY_SOCKET that is no address.
    pub fn take(env: &mut Env) -> Result<Self> {
        let name = env.os("NOTIFY_SOCKET").map(|name| name.to_owned());
        let number =
            |name: &str| env.os(name).and_then(|value| value.to_str()).and_then(|text| text.parse::<u64>().ok());
        let own = own_pid().and_then(|pid| u64::try_from(pid.as_raw()).ok());
        let is_ours = env.os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == own;
        let watchdog = number("WATCHDOG_USEC").filter(|usec| is_ours && *usec > 0).map(Duration::from_micros);
        for name in VARIABLES {
            env.unset(name);
        }
        let Some(name) = name else { return Ok(Self::default()) };
        let cannot = |error: io::Error| {
            Error::new(format!("cannot tell the service manager anything at NOTIFY_SOCKET={}", name.display()))
                .because(error)
        };
        let socket = open(name.as_bytes()).map_err(cannot)?;
        Ok(Self { socket: Some(socket), watchdog })
    }

    /// How often it wants to hear that this is alive: twice as often as it looks. `None`: it does not look.
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|length| length / 2)
    }

    /// This serves. `status` is for people.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Settings are read again. [`Manager::ready`] ends it.
    pub fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", sys::clock::monotonic().as_micros()));
    }

    /// This ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=ending");
    }

    /// The thread that calls this is alive.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    /// A manager that is gone, or does not read, is not waited for.
    fn tell(&self, message: &str) {
        if let Some((socket, address)) = &self.socket {
            let _unheard = socket.send_to_addr(message.as_bytes(), address);
        }
    }
}

/// A path, or `@` and an abstract name.
fn open(name: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match name.split_first() {
        Some((b'@', name)) => sys::socket::abstract_address(name)?,
        Some((b'/', _)) => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "it is neither a path nor an abstract address")),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

/// A line's end would begin another assignment.
fn one_line(status: &str) -> String {
    status.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).expect("a message");
        String::from_utf8(buffer[..length].to_vec()).expect("UTF-8")
    }

    #[test]
    fn a_manager_at_a_path_is_told_and_children_are_not() {
        let path = std::env::temp_dir().join(format!("sentinel-notify-{}", std::process::id()));
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let mut env = Env::from_iter([("NOTIFY_SOCKET", path.to_str().expect("UTF-8")), ("WATCHDOG_USEC", "3000000")]);
        let manager = Manager::take(&mut env).expect("an address");
        manager.ready("serves");
        assert_eq!(told(&socket), "READY=1\nSTATUS=serves");
        std::fs::remove_file(&path).expect("removed");
        assert_eq!(env.iter().count(), 0);
        assert_eq!(manager.watchdog_interval(), Some(Duration::from_millis(1500)));
        drop(socket);
        // Nobody is there any more.
        manager.ready("serves");
    }

    #[test]
    fn messages_are_those_of_the_protocol() {
        let name = format!("sentinel-notify-{}", std::process::id());
        let address = sys::socket::abstract_address(name.as_bytes()).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("a socket");
        let mut env = Env::from_iter([("NOTIFY_SOCKET", format!("@{name}"))]);
        let manager = Manager::take(&mut env).expect("an address");
        manager.ready("serves\nREADY=0 on /run/s");
        assert_eq!(told(&socket), "READY=1\nSTATUS=serves READY=0 on /run/s");
        manager.reloading();
        let message = told(&socket);
        let time = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("both");
        assert!(time.parse::<u64>().is_ok_and(|time| time > 0), "{message}");
        manager.alive();
        assert_eq!(told(&socket), "WATCHDOG=1");
        manager.stopping();
        assert_eq!(told(&socket), "STOPPING=1\nSTATUS=ending");
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_fed() {
        let mut env = Env::from_iter([("NOTIFY_SOCKET", "/none"), ("WATCHDOG_USEC", "1000"), ("WATCHDOG_PID", "1")]);
        assert_eq!(Manager::take(&mut env).expect("an address").watchdog_interval(), None);
        for (name, value) in [("WATCHDOG_USEC", "0"), ("WATCHDOG_USEC", "-1"), ("WATCHDOG_USEC", "soon")] {
            let mut env = Env::from_iter([("NOTIFY_SOCKET", "/none"), (name, value)]);
            assert_eq!(Manager::take(&mut env).expect("an address").watchdog_interval(), None, "{value}");
        }
    }

    #[test]
    fn an_address_of_another_kind_is_an_error() {
        for name in ["run/notify", "vsock:2:1"] {
            let mut env = Env::from_iter([("NOTIFY_SOCKET", name)]);
            let error = Manager::take(&mut env).expect_err("no address");
            let expected = format!(
                "cannot tell the service manager anything at NOTIFY_SOCKET={name}: it is neither a path nor an abstract \
                 address"
            );
            assert_eq!(error.to_string(), expected);
        }
    }
}

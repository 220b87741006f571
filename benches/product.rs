//! Sentinel as it is started, above its client or beside it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use sentinel::sys::user::effective_uid;

use crate::Failure;
use crate::crowd::Crowd;
use crate::fake_sts::Sts;
use crate::roles;
use crate::sandbox::Sandbox;
use crate::shape::{Reach, Shape};

/// What is started.
pub(crate) struct Product<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) program: &'a Path,
    pub(crate) shape: Shape,
    pub(crate) crowd: Crowd,
    /// Behind those that the shape takes.
    pub(crate) options: Vec<OsString>,
    /// AWS.
    pub(crate) sts: &'a Sts,
}

/// It and its client, both running.
pub(crate) struct Running {
    /// The client, or the sentinel above it.
    pub(crate) child: Child,
    service: Option<Service>,
}

/// A service, which is told to end when it is dropped.
struct Service {
    child: Child,
    /// Kept open: what it says goes somewhere.
    _said: BufReader<ChildStderr>,
}

impl Product<'_> {
    /// Starts it, with this program's part of a client.
    pub(crate) fn start(&self, part: &[&str]) -> Result<Running, Failure> {
        let (place, client) = (self.crowd.client(), roles::own_path());
        let (mut command, service) = match self.shape.exec_option() {
            Some(option) => {
                let mut exec = self.sentinel();
                exec.args(["exec", "--profile", self.shape.profile(), option]).args(&self.options).arg("--");
                exec.args(place.words(&client));
                (exec, None)
            }
            None => {
                let (service, reach) = self.service()?;
                let mut command = self.sandbox.dressed(place.command(&client));
                reach.tell(&mut command);
                (command, Some(service))
            }
        };
        let child = command.args(part).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        Ok(Running { child, service })
    }

    fn sentinel(&self) -> Command {
        let mut command = self.sandbox.dressed(self.crowd.server().command(self.program));
        command.env("AWS_ENDPOINT_URL_STS", self.sts.url());
        command
    }

    /// Serves whoever runs this.
    fn service(&self) -> Result<(Service, Reach), Failure> {
        let mut command = self.sentinel();
        let (socket, token) = (self.sandbox.path("tmp/serve.sock"), self.sandbox.path("tmp/serve.token"));
        match self.shape {
            Shape::ServeUnix => command.args(["serve", "ecs", "--socket"]).arg(&socket),
            Shape::ServeEc2 => command.args(["serve", "ec2", "--imds-address", "127.0.0.1:0"]),
            _ => command.args(["serve", "ecs", "--address", "127.0.0.1:0", "--token-file"]).arg(&token),
        };
        command.args(["--profile", self.shape.profile(), "--allow-uid", &effective_uid().to_string()]);
        let mut child = command.args(&self.options).stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stderr.take().ok_or("no standard error")?);
        let mut line = String::new();
        while !line.contains("serving on ") {
            line.clear();
            if said.read_line(&mut line)? == 0 {
                return Err(format!("a service ended before it served: {}", child.wait()?).into());
            }
        }
        let service = Service { child, _said: said };
        let port = || -> Result<u16, Failure> {
            let (_, address) = line.split_once("127.0.0.1:").ok_or_else(|| format!("no port in `{line}`"))?;
            let digits: String = address.chars().take_while(char::is_ascii_digit).collect();
            Ok(digits.parse()?)
        };
        let reach = match self.shape {
            Shape::ServeUnix => Reach::Socket(socket, "none".to_owned()),
            Shape::ServeEc2 => Reach::Metadata(format!("http://127.0.0.1:{}", port()?)),
            _ => {
                Reach::Uri(format!("http://127.0.0.1:{}/", port()?), std::fs::read_to_string(&token)?.trim().to_owned())
            }
        };
        Ok((service, reach))
    }
}

impl Running {
    /// The process that serves.
    pub(crate) fn broker(&self) -> u32 {
        self.service.as_ref().map_or(self.child.id(), |service| service.child.id())
    }

    /// Ends the client's input and waits for its end, which must be a good one.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a run of the client failed: {status}").into()) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Where it cannot be told it is killed.
        let told = Command::new("kill").arg(self.child.id().to_string()).status();
        if !told.is_ok_and(|status| status.success()) {
            let _ended = self.child.kill();
        }
        let _status = self.child.wait();
    }
}

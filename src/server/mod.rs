//! Sockets, connection slots, deadlines, and what each path answers.
//!
//! | file | job |
//! |---|---|
//! | [`listen`] | a socket that is never open to more than it is meant for, and never replaces what is not ours |
//! | `listener` | that socket, or a port on loopback |
//! | [`activation`] | a socket that a service manager hands over |
//! | [`notify`] | what a service manager is told |
//! | `slots` | who holds a connection, and who has to give one up |
//! | `accept` | one thread that accepts, and attests what comes over TCP |
//! | `crew` | one thread a connection, used again for the next |
//! | `connection` | requests in, answers out, bounds on every head and write |
//! | `route` | which endpoint answers, and for whom |
//! | `desk` | the vendor of each profile that is served |
//! | `container` | the container credentials endpoint, and the ECS endpoint with its roles |
//! | [`imds`] | the EC2 metadata endpoint |

mod accept;
pub mod activation;
mod connection;
mod container;
mod crew;
mod desk;
pub mod imds;
pub mod listen;
mod listener;
pub mod notify;
mod route;
mod slots;

pub use accept::{Closer, Server, TOGETHER};
pub use desk::{Desk, Desks};
pub use listen::{Listening, SocketAccess};
pub use listener::Listener;
pub use notify::Manager;
pub use route::Endpoint;

use std::sync::Arc;

use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::http::hosts::Hosts;
use crate::log::operator::Operator;

/// What every connection's thread needs.
pub struct Service {
    /// Who may.
    pub authenticator: Arc<Authenticator>,
    /// What they get.
    pub desks: Desks,
    /// Which paths there are.
    pub endpoint: Endpoint,
    /// Which Host values name this listener.
    pub hosts: Hosts,
    /// Most connections at a time.
    pub max_connections: usize,
    /// Deadlines.
    pub clock: Arc<dyn Clock>,
    /// For the person who runs this.
    pub operator: Arc<Operator>,
    /// Who hears that connections are still accepted.
    pub manager: Arc<Manager>,
}

//! A Parameter Store on 127.0.0.1 that holds one parameter and answers as it is told: for what moto cannot do, which is to be
//! down, to refuse, and to bring an older document back. Signatures are moto's to check.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::fake_sts::wire::{Answer, Request, Response, Server};

/// The running service.
pub(crate) struct Ssm {
    server: Server,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Status and body of every answer, or the parameter.
    answer: Result<String, (u16, Value)>,
    calls: Vec<Value>,
}

impl Ssm {
    /// A service whose parameter holds this.
    pub(crate) fn holding(value: &str) -> Self {
        let state = Arc::new(Mutex::new(State { answer: Ok(value.to_owned()), calls: Vec::new() }));
        let shared = Arc::clone(&state);
        let server = Server::start(move |request| shared.lock().expect("a lock").answer(request));
        Self { server, state }
    }

    /// The value for AWS_ENDPOINT_URL_SSM.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    /// Puts something else into the parameter, as whoever may write it can.
    pub(crate) fn holds(&self, value: &str) {
        self.state().answer = Ok(value.to_owned());
    }

    /// Answers with this status and error code from now on.
    pub(crate) fn fails(&self, status: u16, code: &str) {
        self.state().answer = Err((status, json!({ "__type": code, "message": "" })));
    }

    /// The bodies of all requests.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.state().calls.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("a lock")
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Answer {
        assert_eq!(request.header("x-amz-target"), Some("AmazonSSM.GetParameter"));
        assert_eq!(request.header("content-type"), Some("application/x-amz-json-1.1"));
        let asked: Value = serde_json::from_slice(&request.body).expect("JSON");
        let name = asked["Name"].clone();
        self.calls.push(asked);
        let (status, body) = match &self.answer {
            Ok(value) => {
                (200, json!({ "Parameter": { "Name": name, "Type": "String", "Value": value, "Version": 1 } }))
            }
            Err((status, body)) => (*status, body.clone()),
        };
        Answer::Whole(Response { status, headers: Vec::new(), body: body.to_string().into_bytes() })
    }
}

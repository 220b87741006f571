//! AWS through a proxy, with certificates that the person names, or not at all: the whole program and whole handshakes.

use super::{Proxy, authority, other_authority};
use crate::fake_sts::Sts;
use crate::harness::{Finished, Invocation, Sandbox};

/// A user's profile in eu-west-1, and a proxy to where it is known.
struct Scene {
    sandbox: Sandbox,
    sts: Sts,
    proxy: Proxy,
}

impl Scene {
    /// With these further lines in the profile.
    fn with(settings: &str) -> Self {
        let sts = Sts::start();
        sts.region("eu-west-1");
        let sandbox = Sandbox::new(&sts);
        sandbox.profile("base", &sts.user("alice"), &format!("region = eu-west-1\n{settings}"));
        let proxy = Proxy::before(&sts);
        Self { sandbox, sts, proxy }
    }

    /// `sentinel exec --profile base -- true`, through the proxy.
    fn exec(&self) -> Invocation {
        let run = self.sandbox.sentinel(["exec", "--profile", "base", "--source-identity", "off", "--", "true"]);
        run.without("AWS_ENDPOINT_URL_STS").without("AWS_REGION").env("HTTPS_PROXY", self.proxy.url())
    }

    /// What the proxy was asked to connect to.
    fn targets(&self) -> Vec<String> {
        self.proxy.asked().into_iter().map(|asked| asked.target).collect()
    }

    /// Fails unless one session was issued, through the proxy alone.
    #[track_caller]
    fn has_served(&self, done: &Finished) {
        assert_eq!(done.code(), 0, "{done}");
        assert_eq!(self.targets(), ["sts.eu-west-1.amazonaws.com:443"]);
        assert_eq!(self.sts.calls_of("GetSessionToken").len(), 1);
    }

    /// Fails unless it was refused with these two lines, and AWS was told nothing. Whose keys it was about is left out.
    #[track_caller]
    fn has_refused(&self, done: &Finished, sentence: &str) {
        let credentials = self.sandbox.path("home/.aws/credentials");
        let whose = format!("profile `base`, with the keys of profile `base` in {}: ", credentials.display());
        let said = done.stderr.replace(&whose, "");
        assert_eq!((done.code(), said), (125, format!("sentinel: {sentence}\n")), "{done}");
        assert_eq!(self.sts.calls().len(), 0);
    }
}

#[test]
fn aws_is_reached_through_the_proxy_with_the_ca_bundle() {
    let scene = Scene::with("");
    scene.has_served(&scene.exec().env("AWS_CA_BUNDLE", authority()).run());
    let scene = Scene::with("");
    scene.has_served(&scene.exec().env("REQUESTS_CA_BUNDLE", authority()).run());
    let scene = Scene::with(&format!("ca_bundle = {}", authority().display()));
    let run = scene.exec().env("REQUESTS_CA_BUNDLE", "/nonexistent.pem");
    scene.has_served(&run.run());
}

#[test]
fn the_lower_case_name_counts_and_the_password_reaches_the_proxy_alone() {
    let scene = Scene::with("");
    let url = scene.proxy.url().replace("http://", "http://me:hunter2@");
    let run = scene.exec().env("HTTPS_PROXY", "http://127.0.0.1:1").env("https_proxy", url);
    let done = run.env("AWS_CA_BUNDLE", authority()).run();
    scene.has_served(&done);
    // me:hunter2 in base64.
    let authorization = scene.proxy.asked().remove(0).authorization;
    assert_eq!(authorization.as_deref(), Some("Basic bWU6aHVudGVyMg=="), "{done}");
}

#[test]
fn a_proxy_without_a_scheme_is_an_http_proxy() {
    let scene = Scene::with("");
    let run = scene.exec().env("HTTPS_PROXY", scene.proxy.authority());
    scene.has_served(&run.env("AWS_CA_BUNDLE", authority()).run());
}

#[test]
fn a_proxy_that_is_not_there_is_named_without_its_password() {
    let scene = Scene::with("");
    let run = scene.exec().env("HTTPS_PROXY", "http://me:hunter2@127.0.0.1:1");
    let done = run.env("AWS_CA_BUNDLE", authority()).run();
    done.failed_with(125, &["cannot reach sts.eu-west-1.amazonaws.com"]);
    assert!(!done.stderr.contains("hunter2"), "{done}");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    for bundle in [None, Some(other_authority())] {
        let scene = Scene::with("");
        let run = match bundle {
            None => scene.exec(),
            Some(file) => scene.exec().env("AWS_CA_BUNDLE", file),
        };
        scene.has_refused(
            &run.run(),
            "the certificate of sts.eu-west-1.amazonaws.com is not trusted: no authority that is trusted has signed \
             it\n  if a proxy inspects TLS, name its certificates with AWS_CA_BUNDLE",
        );
    }
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let scene = Scene::with("endpoint_url = https://misnamed.test");
    scene.has_refused(&scene.exec().env("AWS_CA_BUNDLE", authority()).run(),
        "the certificate of misnamed.test is not trusted: certificate not valid for name \"misnamed.test\"; certificate is only \
         valid for DnsName(\"someone-else.test\")\n  if a proxy inspects TLS, name its certificates with AWS_CA_BUNDLE");
    assert_eq!(scene.targets(), ["misnamed.test:443"]);
}

#[test]
fn a_bundle_that_is_of_no_use_is_named() {
    let scene = Scene::with("");
    scene.has_refused(
        &scene.exec().env("AWS_CA_BUNDLE", "/nonexistent.pem").run(),
        "cannot read the CA bundle /nonexistent.pem: No such file or directory (os error 2)\n  check AWS_CA_BUNDLE",
    );
    let empty = scene.sandbox.write("empty.pem", "no certificate\n", 0o600);
    scene.has_refused(
        &scene.exec().env("AWS_CA_BUNDLE", &empty).run(),
        &format!(
            "the CA bundle {} holds no certificate\n  check AWS_CA_BUNDLE: it must be PEM, with BEGIN CERTIFICATE",
            empty.display()
        ),
    );
    let scene = Scene::with("ca_bundle = /nonexistent.pem");
    let config = scene.sandbox.path("home/.aws/config");
    scene.has_refused(
        &scene.exec().run(),
        &format!(
            "cannot read the CA bundle /nonexistent.pem: No such file or directory (os error 2)\n  \
             check {}:3: ca_bundle of profile `base`",
            config.display()
        ),
    );
    assert_eq!(scene.targets(), [""; 0]);
}

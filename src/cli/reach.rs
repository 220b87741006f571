//! Where sentinel's own calls go, and whose keys sign them: what reads policies and tables.

use std::path::PathBuf;
use std::sync::Arc;

use super::settings::Access;
use crate::aws::endpoint::{self, Endpoint, Service, Variant};
use crate::aws::keys::KeySource;
use crate::aws::network::{CaBundle, Network};
use crate::clock::Clock;
use crate::env::Env;
use crate::error::{Error, Result};
use crate::profile::{self, EndpointUrl, Resolved, Wanted, resolve};
use crate::source::{Chain, OwnKeys};

/// What a profile says of where AWS is.
#[derive(Clone)]
pub(super) struct Place {
    profile: String,
    region: Option<String>,
    variant: Variant,
    ca_bundle: Option<CaBundle>,
    dynamodb: Option<EndpointUrl>,
    ssm: Option<EndpointUrl>,
    source_file: Option<PathBuf>,
}

/// A way to AWS.
#[derive(Clone)]
pub(super) struct Reach {
    place: Place,
    network: Network,
    keys: Arc<dyn KeySource>,
}

/// Whose word an endpoint is that is not AWS's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overrides {
    /// The person's: what comes from there is checked.
    Taken,
    /// Who decides where the question goes decides the answer, so that it is loopback's alone: a person's own test.
    OnLoopback,
}

impl Place {
    pub(super) fn of(resolved: &Resolved) -> Self {
        let profile::Variant { fips, dual_stack, legacy_sts } = resolved.variant;
        let ca_bundle = resolved.ca_bundle.clone();
        Self {
            profile: resolved.name.clone(),
            region: resolved.region.clone(),
            variant: Variant { fips, dual_stack, legacy: legacy_sts },
            ca_bundle: ca_bundle.map(|file| CaBundle { path: file.path, named_by: file.named_by }),
            dynamodb: resolved.dynamodb_endpoint_url.clone(),
            ssm: resolved.ssm_endpoint_url.clone(),
            source_file: resolved.source_file.clone(),
        }
    }
}

impl Reach {
    /// For a run: `--aws-profile`'s place and keys, else its own profile's place and the keys that it starts with.
    ///
    /// # Errors
    /// The profile cannot be used.
    pub(super) fn of_run(
        access: &Access,
        place: Place,
        chain: &Chain,
        env: &Env,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        if access.aws_profile.is_some() {
            return Self::of(access, env, clock);
        }
        Self::new(place, Arc::new(OwnKeys::of_run(chain)), env)
    }

    /// The same where nothing is run.
    ///
    /// # Errors
    /// The profile cannot be used.
    pub(super) fn of(access: &Access, env: &Env, clock: &Arc<dyn Clock>) -> Result<Self> {
        let profile = access.aws_profile.as_deref().or(access.profile.as_deref());
        let wanted = Wanted { profile, region: access.region.as_deref() };
        let resolved = resolve(&wanted, env)?;
        let place = Place::of(&resolved);
        let clock = Arc::clone(clock);
        let keys = match access.aws_profile {
            Some(_) => OwnKeys::of_profile(resolved, env, clock)?,
            None => OwnKeys::of_base(resolved, env, clock),
        };
        Self::new(place, Arc::new(keys), env)
    }

    fn new(place: Place, keys: Arc<dyn KeySource>, env: &Env) -> Result<Self> {
        let network = Network::new(env, place.ca_bundle.clone())?;
        Ok(Self { place, network, keys })
    }

    /// Whose keys sign.
    pub(super) fn keys(&self) -> Arc<dyn KeySource> {
        Arc::clone(&self.keys)
    }

    /// Which certificates and proxy.
    pub(super) fn network(&self) -> &Network {
        &self.network
    }

    /// Where the service is.
    ///
    /// # Errors
    /// No region is known, or the endpoint cannot be used.
    pub(super) fn endpoint(&self, service: Service, overrides: Overrides) -> Result<Endpoint> {
        let Place { profile, region, variant, source_file, .. } = &self.place;
        let Some(region) = region else {
            let where_to = match source_file {
                Some(file) => format!("or write `region = ...` under profile `{profile}` in {}", file.display()),
                None => "or set AWS_REGION".to_owned(),
            };
            return Err(Error::new(format!(
                "no region is known for profile `{profile}`, and policies and tables are in one"
            ))
            .hint(format!("give --region, {where_to}")));
        };
        let named = match service {
            Service::DynamoDb => self.place.dynamodb.as_ref(),
            Service::Ssm => self.place.ssm.as_ref(),
            Service::Sts => None,
        };
        let url = named.map(EndpointUrl::checked).transpose()?;
        let endpoint = endpoint::of(service, region, url, *variant)?;
        match overrides {
            Overrides::OnLoopback if !endpoint.is_local() => endpoint::of(service, region, None, *variant),
            _ => Ok(endpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn endpoint(url: &str, overrides: Overrides) -> Result<String> {
        let env = Env::from_iter([
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL_SSM", url),
        ]);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let reach = Reach::of(&Access::default(), &env, &clock)?;
        reach.endpoint(Service::Ssm, overrides).map(|endpoint| endpoint.url().to_owned())
    }

    #[test]
    fn who_names_an_endpoint_does_not_decide_what_an_unsigned_policy_says() {
        const OWN: &str = "https://ssm.eu-west-1.amazonaws.com/";
        for (url, taken, on_loopback) in [
            ("", OWN, OWN),
            ("https://policies.example", "https://policies.example/", OWN),
            ("http://127.0.0.1:1", "http://127.0.0.1:1/", "http://127.0.0.1:1/"),
        ] {
            assert_eq!(endpoint(url, Overrides::Taken).expect("an endpoint"), taken);
            assert_eq!(endpoint(url, Overrides::OnLoopback).expect("an endpoint"), on_loopback);
        }
        let error = endpoint("http://policies.example", Overrides::Taken).expect_err("plain http").summary();
        assert_eq!(error, "AWS_ENDPOINT_URL_SSM is http to a host that is not this one: http://policies.example");
    }
}

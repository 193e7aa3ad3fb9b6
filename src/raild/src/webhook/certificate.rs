//! The webhook's certificates and their turns, as functions of the time. A certificate is its own authority, so that no key exists
//! that could sign another. The next one is announced to the API server for a sixth of a life before anybody serves it, and the
//! one before stays announced while some replica may serve it yet: no handshake ever meets an unknown certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

/// Before it was made, for clocks that are behind.
const SKEW: i64 = 3600;

/// A certificate with its key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pair {
    /// PEM.
    pub(crate) certificate: String,
    /// PEM.
    pub(crate) key: String,
    /// In seconds since 1970.
    made: i64,
    ends: i64,
    /// Who it is for.
    host: String,
}

/// All that replicas share.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Keys {
    pub(crate) serving: Pair,
    /// Will serve.
    pub(crate) next: Option<Pair>,
    /// Has served.
    before: Option<Pair>,
}

/// What is to be done with the keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Step {
    /// Nothing.
    Keep,
    /// There is none that can serve: a new one serves at once.
    Make,
    /// Make the next one, to be announced.
    Prepare,
    /// Let the next one serve.
    Turn,
}

impl Pair {
    pub(crate) fn make(host: &str, now: i64, life: i64) -> Result<Self, String> {
        let problem = |error: rcgen::Error| format!("make a certificate for {host}: {error}");
        let date = |seconds: i64| {
            OffsetDateTime::from_unix_timestamp(seconds)
                .map_err(|error| format!("date of a certificate: {error}"))
        };
        let mut params = CertificateParams::new(vec![host.to_owned()]).map_err(problem)?;
        (params.not_before, params.not_after) = (date(now - SKEW)?, date(now + life)?);
        params.distinguished_name.push(rcgen::DnType::CommonName, "raild-webhook");
        let key = KeyPair::generate().map_err(problem)?;
        let certificate = params.self_signed(&key).map_err(problem)?;
        Ok(Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            made: now,
            ends: now + life,
            host: host.to_owned(),
        })
    }

    fn life(&self) -> i64 {
        self.ends - self.made
    }
}

impl Keys {
    /// New ones.
    pub(crate) fn new(serving: Pair) -> Self {
        Self { serving, next: None, before: None }
    }

    /// What the API server is told to trust.
    pub(crate) fn bundle(&self) -> String {
        let all = [Some(&self.serving), self.next.as_ref(), self.before.as_ref()];
        all.into_iter().flatten().map(|pair| pair.certificate.as_str()).collect()
    }

    /// After the step that makes a pair.
    pub(crate) fn with_next(self, next: Pair) -> Self {
        Self { next: Some(next), ..self }
    }

    /// The next one serves.
    pub(crate) fn turned(self) -> Self {
        match self.next {
            Some(next) => Self { serving: next, next: None, before: Some(self.serving) },
            None => self,
        }
    }

    /// What is to be done now; `announced` is whether the API server has been told of the next one.
    pub(crate) fn step(keys: Option<&Self>, host: &str, now: i64, announced: bool) -> Step {
        let Some(Self { serving, next, .. }) = keys.filter(|keys| keys.serving.host == host) else {
            return Step::Make;
        };
        match next {
            Some(next) if next.host == host && next.ends > now => {
                let known = announced && now >= next.made + next.life() / 6;
                if known || serving.ends <= now { Step::Turn } else { Step::Keep }
            }
            _ if serving.ends <= now => Step::Make,
            _ if now >= serving.made + serving.life() / 2 => Step::Prepare,
            _ => Step::Keep,
        }
    }

    /// As the data of a Secret. `tls.crt` and `tls.key` are those that serve, under the names that every tool knows.
    pub(crate) fn data(&self) -> Value {
        let mut data = Map::new();
        let all =
            [("tls", Some(&self.serving)), ("next", self.next.as_ref()), ("before", self.before.as_ref())];
        for (name, pair) in all.into_iter().filter_map(|(name, pair)| Some((name, pair?))) {
            let about = json!({ "made": pair.made, "ends": pair.ends, "host": pair.host }).to_string();
            for (part, text) in [("crt", &pair.certificate), ("key", &pair.key), ("json", &about)] {
                data.insert(format!("{name}.{part}"), STANDARD.encode(text).into());
            }
        }
        data.into()
    }

    /// From the data of a Secret; none where it holds something else.
    pub(crate) fn of_data(data: &Value) -> Option<Self> {
        let text = |name: String| String::from_utf8(STANDARD.decode(data[name].as_str()?).ok()?).ok();
        let pair = |name: &str| {
            let about: Value = serde_json::from_str(&text(format!("{name}.json"))?).ok()?;
            Some(Pair {
                certificate: text(format!("{name}.crt"))?,
                key: text(format!("{name}.key"))?,
                made: about["made"].as_i64()?,
                ends: about["ends"].as_i64()?,
                host: about["host"].as_str()?.to_owned(),
            })
        };
        Some(Self { serving: pair("tls")?, next: pair("next"), before: pair("before") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "raild-webhook.railcni.svc";

    fn pair(now: i64) -> Pair {
        Pair::make(HOST, now, 600).unwrap()
    }

    fn step(keys: &Keys, now: i64, announced: bool) -> Step {
        Keys::step(Some(keys), HOST, now, announced)
    }

    #[test]
    fn a_certificate_is_made_announced_and_turned_before_it_ends() {
        assert_eq!(Keys::step(None, HOST, 1000, false), Step::Make);
        let keys = Keys::new(pair(1000));
        assert_eq!((step(&keys, 1299, true), step(&keys, 1300, true)), (Step::Keep, Step::Prepare));
        let keys = keys.with_next(pair(1300));
        assert_eq!((step(&keys, 1399, true), step(&keys, 1400, true)), (Step::Keep, Step::Turn));
        // Nobody serves what the API server does not know, unless nothing else is left.
        assert_eq!((step(&keys, 1599, false), step(&keys, 1600, false)), (Step::Keep, Step::Turn));
        let turned = keys.clone().turned();
        assert_eq!((&turned.serving, &turned.before), (keys.next.as_ref().unwrap(), &Some(keys.serving)));
        assert_eq!(step(&turned, 1400, true), Step::Keep);
    }

    #[test]
    fn keys_that_have_ended_or_are_for_another_host_are_made_anew() {
        let keys = Keys::new(pair(1000));
        assert_eq!(step(&keys, 1600, true), Step::Make);
        assert_eq!(Keys::step(Some(&keys), "other", 1000, true), Step::Make);
        let both_ended = keys.with_next(pair(1001));
        assert_eq!(step(&both_ended, 1700, true), Step::Make);
    }

    #[test]
    fn whoever_may_be_served_by_any_replica_trusts_all_that_may_serve() {
        let (one, two) = (pair(1000), pair(1300));
        let keys = Keys::new(one.clone()).with_next(two.clone());
        for keys in [keys.clone(), keys.turned()] {
            assert!(keys.bundle().contains(&one.certificate) && keys.bundle().contains(&two.certificate));
        }
    }

    #[test]
    fn a_secret_keeps_all_of_it() {
        let keys = Keys::new(pair(1000)).with_next(pair(1300));
        for keys in [keys.clone(), keys.turned()] {
            assert_eq!(Keys::of_data(&keys.data()), Some(keys));
        }
        for foreign in [json!({}), json!({ "tls.crt": "!" }), Value::Null, json!({ "tls.crt": 7 })] {
            assert_eq!(Keys::of_data(&foreign), None);
        }
    }
}

//! How a person gets from a client's request to a code: they agree to it, sign in at the first upstream, which says who
//! they are, and visit the others.
//!
//! ```text
//! authorize ─▶ consent ─▶ first upstream ─▶ next ones ─▶ offers of optional ones ─▶ code
//! connect ──▶ question ─▶ first upstream ─▶ the missing one ─▶ done
//! ```

use super::{
    authorize::{Asked, Back, Offer, Unfit, refused},
    beginnings::Beginnings,
    browser::Browser,
    client::Clients,
    code::Codes,
    consent::Consents,
    error::{Code, Fault, Problem, Refusal},
    form::Form,
    journey::{Consent, Journey, Journeys, Purpose, Stop},
    person,
    redirect::Redirect,
    ticket::{Ticket, Tickets},
};
use crate::{
    config::authorization_server::Claim,
    federation::{self, Arrival, Upstream, Upstreams},
    store::Connections,
};
use countersign::tokens::{Account, Connection, TokenStore};
use serde_json::Map;
use std::{error::Error as _, sync::Arc};

/// Where providers send browsers back to, below the issuer.
pub(super) const CALLBACK: &str = "/oauth/callback";

/// Signs people in.
#[derive(Clone, Debug)]
pub(super) struct SignIn {
    pub(super) offer: Arc<Offer>,
    pub(super) clients: Clients,
    pub(super) codes: Codes,
    pub(super) journeys: Journeys,
    pub(super) beginnings: Beginnings,
    pub(super) consents: Consents,
    pub(super) tickets: Tickets,
    pub(super) upstreams: Upstreams,
    pub(super) connections: Connections,
    pub(super) claims: Arc<[Claim]>,
}

/// What a browser does next.
#[derive(Debug)]
pub(super) enum Next {
    /// It asks the person.
    Ask { name: String, journey: Box<Journey> },
    /// It goes to `url`, which leads to what is called `whither`.
    Go { url: String, whither: String },
    /// It says that an account is connected.
    Connected { upstream: String },
    /// It says what went wrong, and what can be done.
    Stop { problem: Problem, remedy: &'static str },
    /// The same of what no person can help: the client made a mistake.
    Mistaken { problem: Problem, remedy: &'static str },
    /// The same where the client could be told, and nobody ever said that browsers may go there: the person decides.
    Astray { refusal: Refusal, url: String, redirect: Redirect },
}

const AGAIN: &str = "Go back to where you came from and begin to sign in again.";
const LATER: &str = "Try again in a moment. If it goes on, tell whoever runs this server.";

impl SignIn {
    /// A client sent a person here with `query`.
    pub(super) async fn authorize(&self, query: &[u8], browser: &Browser) -> Result<Next, Fault> {
        let asked = match Asked::read(query, &self.clients, &self.offer).await {
            Ok(asked) => asked,
            Err(Unfit::Here(problem)) => return Ok(Next::Mistaken { problem, remedy: AGAIN }),
            Err(Unfit::Back(back)) => return self.back(*back, browser).await,
        };
        let remembered = self.consents.recall(&asked, &browser.secret).await?;
        let consent = remembered.map_or(Consent::NotYet, |subject| Consent::Before { subject });
        let journey = Journey::new(Purpose::Authorize(Box::new(asked)), consent);
        if journey.consent == Consent::NotYet {
            self.ask(journey, browser).await
        } else {
            self.first(journey, browser).await
        }
    }

    /// A client is told of its mistake by a browser that goes back to it, where somebody said that it may: the operator,
    /// or the person, at another time. Whoever registered themselves would otherwise send anybody anywhere from here, by
    /// a mistake that they make on purpose (RFC 9700, section 4.11.2).
    async fn back(&self, back: Back, browser: &Browser) -> Result<Next, Fault> {
        let Back { client, redirect, location, refusal } = back;
        let known = self.clients.is_named(&client)
            || self.consents.knows(&client, &redirect, &browser.secret).await?;
        Ok(if known {
            Next::Go { url: location, whither: redirect.shown() }
        } else {
            Next::Astray { refusal, url: location, redirect }
        })
    }

    /// A person followed a link to connect an account at `provider`.
    pub(super) async fn connect(
        &self,
        provider: &str,
        query: &[u8],
        browser: &Browser,
    ) -> Result<Next, Fault> {
        let form = match Form::parse(query) {
            Ok(form) => form,
            Err(refusal) => return Ok(stop(refusal, AGAIN)),
        };
        let ticket = form.get("ticket").and_then(|text| self.tickets.read(text));
        let Some(ticket) = ticket.filter(|ticket| ticket.provider == provider) else {
            let what = "This link is none of ours, or it is too old";
            return Ok(stop(
                wrong(what),
                "Ask for it again where you came from: a link is good for an hour.",
            ));
        };
        if self.who(&ticket).is_none() || self.upstreams.named(provider).is_none() {
            return Ok(stop(
                wrong("This account cannot be connected here"),
                "Tell whoever runs this server.",
            ));
        }
        self.ask(Journey::new(Purpose::Connect(ticket), Consent::NotYet), browser).await
    }

    /// A person decided on one of our pages.
    pub(super) async fn decide(&self, form: &[u8], browser: &str) -> Result<Next, Fault> {
        let read = Form::parse(form).and_then(|form| {
            let name = form.need("journey")?.to_owned();
            let yes = match form.need("decision")? {
                "yes" => true,
                "no" => false,
                _ => return Err(wrong("`decision` is yes or no")),
            };
            Ok((name, yes))
        });
        let (name, yes) = match read {
            Ok(read) => read,
            Err(refusal) => return Ok(stop(refusal, AGAIN)),
        };
        // It stays where it is: whoever goes back in their browser may decide again.
        let Some(mut journey) = self.journeys.look(&name, browser).await? else { return Ok(unknown()) };
        match (&journey.stop, yes) {
            (Stop::Asked, false) => {
                self.journeys.go_on(&name, browser).await?;
                Ok(self.turned_away(&journey, "access_denied", "the person said no"))
            }
            (Stop::Asked, true) => {
                journey.consent = Consent::Now;
                let browser = &Browser { secret: browser.to_owned(), cookie: None };
                match journey.subject.is_some() {
                    true => self.following(journey, browser).await,
                    false => self.first(journey, browser).await,
                }
            }
            (Stop::Offered { upstream }, _) => {
                let Some(at) = self.upstreams.named(upstream) else { return Ok(unknown()) };
                let browser = &Browser { secret: browser.to_owned(), cookie: None };
                if yes {
                    return self.depart(at, journey, browser).await;
                }
                let place = self.place(upstream) + 1;
                self.on_from(place, journey, browser).await
            }
            (Stop::At { .. }, _) => Ok(unknown()),
        }
    }

    /// A provider sent a person back with `query`.
    pub(super) async fn arrive(&self, query: &[u8], browser: &Browser) -> Result<Next, Fault> {
        let form = match Form::parse(query) {
            Ok(form) => form,
            Err(refusal) => return Ok(stop(refusal, AGAIN)),
        };
        let state = form.get("state").unwrap_or_default();
        let Some(journey) = self.journeys.go_on(state, &browser.secret).await? else { return Ok(unknown()) };
        let Stop::At { upstream, trip } = &journey.stop else { return Ok(unknown()) };
        let Some(at) = self.upstreams.named(upstream) else { return Ok(unknown()) };
        if let Err(error) = at.check_issuer(form.get("iss")).await {
            return Ok(self.failed(&journey, at, &error));
        }
        let code = match (form.get("code"), form.get("error")) {
            (Some(code), None) => code,
            (_, told) => return self.not_signed_in(told, at.name().clone(), journey, browser).await,
        };
        match at.arrive(code, &self.callback(), trip).await {
            Ok(arrival) => {
                let name = at.name().clone();
                Box::pin(self.welcome(&name, arrival, journey, browser)).await
            }
            Err(error) => Ok(self.failed(&journey, at, &error)),
        }
    }

    /// The provider said no, or the person said it there.
    async fn not_signed_in(
        &self,
        told: Option<&str>,
        upstream: Arc<str>,
        journey: Journey,
        browser: &Browser,
    ) -> Result<Next, Fault> {
        let known = [
            "access_denied",
            "login_required",
            "consent_required",
            "server_error",
            "temporarily_unavailable",
        ];
        let told =
            told.and_then(|told| known.into_iter().find(|known| *known == told)).unwrap_or("server_error");
        tracing::info!(%upstream, error = told, "a person was not signed in");
        let optional = self.upstreams.named(&upstream).is_some_and(Upstream::is_optional);
        if optional && matches!(journey.purpose, Purpose::Authorize(_)) {
            return self.on_from(self.place(&upstream) + 1, journey, browser).await;
        }
        Ok(self.turned_away(&journey, told, "the identity provider did not sign the person in"))
    }

    /// A person is who a provider says.
    async fn welcome(
        &self,
        upstream: &str,
        arrival: Arrival,
        mut journey: Journey,
        browser: &Browser,
    ) -> Result<Next, Fault> {
        let Arrival { connection, person } = arrival;
        if let Purpose::Connect(ticket) = &journey.purpose
            && journey.subject.is_none()
        {
            let subject = person.as_ref().map(|person| match ticket.issuer == self.offer.issuer {
                true => person::subject(person, &self.upstreams),
                false => person.subject.clone(),
            });
            if subject.as_deref() != Some(&ticket.subject) {
                tracing::warn!(upstream, "a link to connect an account was opened by another person");
                let remedy = "Sign in as the person who asked for it, or ask for a link of your own.";
                return Ok(stop(wrong("This link was made for somebody else"), remedy));
            }
            journey.subject = subject;
        } else if journey.subject.is_none() {
            let Some(person) = &person else {
                let error = "the first upstream did not say who somebody is";
                return Ok(self.turned_away(&journey, "server_error", error));
            };
            journey.subject = Some(person::subject(person, &self.upstreams));
        }
        let nothing = Map::new();
        let said = person.as_ref().map_or(&nothing, |person| &person.claims);
        if let Err(claims) = person::add_claims(&mut journey.claims, &self.claims, upstream, said) {
            tracing::error!(upstream, ?claims, "what is said of a person is more than a token holds");
            let what = "what is known of the person does not fit a token";
            return Ok(self.turned_away(&journey, "server_error", what));
        }
        journey.connections.push((upstream.to_owned(), (&connection).into()));
        journey.stop = Stop::Asked;
        if let (Consent::Before { subject }, Some(who)) = (&journey.consent, &journey.subject)
            && subject != who
        {
            // Somebody else has agreed in this browser.
            journey.consent = Consent::NotYet;
            return self.ask(journey, browser).await;
        }
        match &journey.purpose {
            Purpose::Connect(ticket) if *ticket.provider == *upstream => self.connected(journey).await,
            Purpose::Connect(ticket) => match self.upstreams.named(&ticket.provider.clone()) {
                Some(at) => self.depart(at, journey, browser).await,
                None => Ok(unknown()),
            },
            Purpose::Authorize(_) => self.on_from(self.place(upstream) + 1, journey, browser).await,
        }
    }

    /// Goes on behind the upstreams that were visited.
    async fn following(&self, journey: Journey, browser: &Browser) -> Result<Next, Fault> {
        let last = journey.connections.last().map_or(0, |(upstream, _)| self.place(upstream) + 1);
        self.on_from(last, journey, browser).await
    }

    /// The upstream at `place`, or the end.
    async fn on_from(&self, place: usize, mut journey: Journey, browser: &Browser) -> Result<Next, Fault> {
        for upstream in self.upstreams.iter().skip(place) {
            if !upstream.is_optional() {
                return self.depart(upstream, journey, browser).await;
            }
            if !self.has(upstream, &journey).await? {
                journey.stop = Stop::Offered { upstream: upstream.name().as_ref().to_owned() };
                return self.put(journey, browser).await;
            }
        }
        self.finish(journey, browser).await
    }

    /// Whether a person connected an account there before, for the same client.
    async fn has(&self, upstream: &Upstream, journey: &Journey) -> Result<bool, Fault> {
        let (Some(subject), Purpose::Authorize(asked)) = (&journey.subject, &journey.purpose) else {
            return Ok(false);
        };
        let account = self.account(subject, asked, upstream.name());
        let known = self.connections.load(&account).await;
        known.map(|known| known.is_some()).map_err(|_| Fault::defect("the accounts cannot be read"))
    }

    /// Everything is there: what upstreams gave is kept, and the client gets its code.
    async fn finish(&self, journey: Journey, browser: &Browser) -> Result<Next, Fault> {
        let Journey {
            purpose: Purpose::Authorize(asked),
            consent,
            subject: Some(subject),
            claims,
            connections,
            ..
        } = journey
        else {
            return Ok(unknown());
        };
        for (upstream, saved) in connections {
            let account = self.account(&subject, &asked, &upstream);
            self.connections.connect(&account, &Connection::from(saved)).await?;
        }
        if consent == Consent::Now {
            self.consents.remember(&asked, &subject, &browser.secret).await?;
        }
        let (redirect, state) = (asked.redirect.clone(), asked.state.clone());
        let code = self.codes.issue(asked.agreed(subject, claims)?).await?;
        let mut parameters = vec![("code", code.as_str()), ("iss", &self.offer.issuer)];
        parameters.extend(state.as_deref().map(|state| ("state", state)));
        Ok(Next::Go { url: redirect.with(&parameters), whither: redirect.shown() })
    }

    /// The account that was missing is there.
    async fn connected(&self, journey: Journey) -> Result<Next, Fault> {
        let Purpose::Connect(ticket) = &journey.purpose else { return Ok(unknown()) };
        let (provider, account) = (ticket.provider.clone(), ticket.account());
        let of_provider = journey.connections.into_iter().filter(|(upstream, _)| *upstream == provider);
        for (_, saved) in of_provider {
            self.connections.connect(&account, &Connection::from(saved)).await?;
        }
        Ok(Next::Connected { upstream: provider })
    }

    /// The first upstream, which says who somebody is.
    async fn first(&self, journey: Journey, browser: &Browser) -> Result<Next, Fault> {
        let first = match &journey.purpose {
            Purpose::Authorize(_) => self.upstreams.nth(0),
            Purpose::Connect(ticket) => self.who(ticket),
        };
        match first {
            Some(first) => self.depart(first, journey, browser).await,
            None => Ok(unknown()),
        }
    }

    async fn depart(
        &self,
        upstream: &Upstream,
        mut journey: Journey,
        browser: &Browser,
    ) -> Result<Next, Fault> {
        let name = Journeys::name()?;
        let departure = match upstream.depart(&self.callback(), &name).await {
            Ok(departure) => departure,
            Err(error) => return Ok(self.failed(&journey, upstream, &error)),
        };
        journey.stop = Stop::At { upstream: upstream.name().as_ref().to_owned(), trip: departure.trip };
        self.journeys.rest(&name, journey, &browser.secret).await?;
        Ok(Next::Go { url: departure.url, whither: upstream.title().to_owned() })
    }

    async fn ask(&self, mut journey: Journey, browser: &Browser) -> Result<Next, Fault> {
        journey.stop = Stop::Asked;
        self.put(journey, browser).await
    }

    /// Lets a page ask.
    async fn put(&self, journey: Journey, browser: &Browser) -> Result<Next, Fault> {
        let name = Journeys::name()?;
        self.journeys.rest(&name, journey, &browser.secret).await?;
        let journey = self.journeys.look(&name, &browser.secret).await?;
        Ok(journey.map_or_else(unknown, |journey| Next::Ask { name, journey: Box::new(journey) }))
    }

    /// Who says whether it is the person that a ticket was made for.
    pub(super) fn who(&self, ticket: &Ticket) -> Option<&Upstream> {
        if ticket.issuer == self.offer.issuer {
            self.upstreams.nth(0)
        } else {
            self.upstreams.of_issuer(&ticket.issuer)
        }
    }

    fn failed(&self, journey: &Journey, upstream: &Upstream, error: &federation::Error) -> Next {
        let because = std::iter::successors(error.source(), |&error| error.source()).map(ToString::to_string);
        let because = because.collect::<Vec<_>>().join(": ");
        tracing::warn!(upstream = %upstream.name(), %error, because, "a person could not be signed in");
        match error.kind() {
            federation::Kind::Unavailable => {
                let what = "the identity provider cannot be reached; try again later";
                self.turned_away(journey, "temporarily_unavailable", what)
            }
            federation::Kind::Unbelievable => {
                self.turned_away(journey, "server_error", "what the identity provider said cannot be used")
            }
        }
    }

    /// The client is told that nothing came of it; a person who only connects an account is told themselves.
    fn turned_away(&self, journey: &Journey, code: &'static str, what: &'static str) -> Next {
        match &journey.purpose {
            Purpose::Authorize(asked) => {
                let refusal = Refusal::new(Code::of_sign_in(code), what);
                let url = refused(&asked.redirect, asked.state.as_deref(), &refusal, &self.offer.issuer);
                Next::Go { url, whither: asked.redirect.shown() }
            }
            Purpose::Connect(_) => {
                stop(Refusal::new(Code::of_sign_in(code), "Your account was not connected"), LATER)
            }
        }
    }

    fn account(&self, subject: &str, asked: &Asked, upstream: &str) -> Account {
        Account::new(self.offer.issuer.as_str(), subject, Some(&asked.client.id), upstream)
    }

    fn callback(&self) -> String {
        format!("{}{CALLBACK}", self.offer.issuer)
    }

    fn place(&self, upstream: &str) -> usize {
        self.upstreams.iter().position(|other| **other.name() == *upstream).unwrap_or(usize::MAX - 1)
    }
}

fn wrong(what: &str) -> Refusal {
    Refusal::new(Code::InvalidRequest, what)
}

fn stop(refusal: Refusal, remedy: &'static str) -> Next {
    Next::Stop { problem: refusal.into(), remedy }
}

fn unknown() -> Next {
    stop(wrong("This sign-in is over, or it began in another browser"), AGAIN)
}

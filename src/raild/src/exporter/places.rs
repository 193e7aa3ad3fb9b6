//! Who is connected. Whoever reaches the port may be anybody: one who only keeps a connection loses it to whoever comes to ask.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::Notify;

/// Two servers that scrape, and somebody with a browser.
const CONNECTIONS: usize = 8;

/// All connections, the oldest first.
#[derive(Default)]
pub(super) struct Places {
    next: Cell<u64>,
    open: RefCell<BTreeMap<u64, Rc<State>>>,
    left: Notify,
}

#[derive(Default)]
struct State {
    /// How many of its requests are being answered.
    busy: Cell<usize>,
    has_asked: Cell<bool>,
    end: Notify,
}

/// A connection's place, until it is dropped.
pub(super) struct Place {
    number: u64,
    state: Rc<State>,
    places: Rc<Places>,
}

/// As long as it is there, somebody waits for an answer.
pub(super) struct Busy(Rc<State>);

impl Places {
    /// A place for one more: where there is none, the oldest that waits for nothing ends. Only where all wait for answers it has to wait.
    pub(super) async fn enter(self: &Rc<Self>) -> Place {
        while self.open.borrow().len() >= CONNECTIONS {
            if !self.end_oldest() {
                self.left.notified().await;
            }
        }
        let (number, state) = (self.next.replace(self.next.get() + 1), Rc::new(State::default()));
        self.open.borrow_mut().insert(number, state.clone());
        Place { number, state, places: self.clone() }
    }

    fn end_oldest(&self) -> bool {
        let mut open = self.open.borrow_mut();
        let idle = open.iter().find(|(_, state)| state.busy.get() == 0).map(|(number, _)| *number);
        let ended = idle.and_then(|number| open.remove(&number));
        if let Some(state) = &ended {
            state.end.notify_one();
        }
        ended.is_some()
    }
}

impl Place {
    /// Until somebody else needs it.
    pub(super) async fn ended(&self) {
        self.state.end.notified().await;
    }

    /// Whether anything was ever asked.
    pub(super) fn has_asked(&self) -> bool {
        self.state.has_asked.get()
    }

    /// What notes its requests.
    pub(super) fn requests(&self) -> impl Fn() -> Busy + use<> {
        let state = self.state.clone();
        move || {
            state.busy.set(state.busy.get() + 1);
            state.has_asked.set(true);
            Busy(state.clone())
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open.borrow_mut().remove(&self.number);
        self.places.left.notify_one();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    async fn soon<T>(what: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(20), what).await.ok()
    }

    #[test]
    fn connections_that_ask_nothing_end_for_whoever_comes_the_oldest_first() {
        run(async {
            let places = Rc::new(Places::default());
            let mut idle = Vec::new();
            for _ in 0..CONNECTIONS {
                idle.push(soon(places.enter()).await.unwrap());
            }
            let scrape = soon(places.enter()).await.expect("a place");
            assert!(soon(idle[0].ended()).await.is_some() && soon(idle[1].ended()).await.is_none());
            let busy = scrape.requests()();
            for _ in 0..CONNECTIONS {
                idle.push(soon(places.enter()).await.unwrap());
            }
            assert!(soon(scrape.ended()).await.is_none(), "who waits for an answer stays");
            drop(busy);
            assert!(soon(places.enter()).await.is_some());
            assert!(soon(scrape.ended()).await.is_some());
        });
    }

    #[test]
    fn where_all_wait_for_answers_the_next_one_waits_for_a_place() {
        run(async {
            let places = Rc::new(Places::default());
            let mut all = Vec::new();
            for _ in 0..CONNECTIONS {
                let place = soon(places.enter()).await.unwrap();
                let busy = place.requests()();
                all.push((place, busy));
            }
            assert!(soon(places.enter()).await.is_none());
            all.pop();
            assert!(soon(places.enter()).await.is_some());
        });
    }
}

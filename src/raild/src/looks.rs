//! List requests for those who wait for news: however many wait, one request at a time serves all of them.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Between the beginnings of two looks. Whoever reaches the webhook's port can have it look.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks of one kind, and what the last one has found.
pub(crate) struct Looks<T> {
    turn: Mutex<()>,
    last: RefCell<Option<(Instant, Option<T>)>>,
}

impl<T> Default for Looks<T> {
    fn default() -> Self {
        Self { turn: Mutex::default(), last: RefCell::default() }
    }
}

impl<T: Clone> Looks<T> {
    /// What there is now: whoever comes while somebody looks shares the next look.
    pub(crate) async fn look<F: Future<Output = T>>(&self, look: impl FnOnce() -> F) -> T {
        let came = Instant::now();
        let _turn = self.turn.lock().await;
        let last = self.last.borrow().clone();
        if let Some((begun, found)) = last {
            if let Some(found) = found.filter(|_| begun >= came) {
                return found;
            }
            sleep_until(begun + PAUSE).await;
        }
        let begun = Instant::now();
        // Whoever goes away before the answer has had his look all the same.
        *self.last.borrow_mut() = Some((begun, None));
        let found = look().await;
        *self.last.borrow_mut() = Some((begun, Some(found.clone())));
        found
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures::future::join_all;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn a_crowd_shares_the_next_look() {
        run(async {
            let (looks, count) = (Looks::default(), Cell::new(0));
            let look = || async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                count.set(count.get() + 1);
                count.get()
            };
            let first = looks.look(look);
            let crowd = async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                join_all((0..100).map(|_| looks.look(look))).await
            };
            let (first, crowd) = futures::future::join(first, crowd).await;
            assert_eq!((first, crowd), (1, vec![2; 100]), "one had begun before they came");
        });
    }

    #[test]
    fn who_goes_away_before_the_answer_has_no_look_of_his_own() {
        run(async {
            let (looks, count) = (Looks::default(), Cell::new(0));
            let look = || async {
                count.set(count.get() + 1);
                tokio::time::sleep(Duration::from_millis(20)).await;
            };
            for _ in 0..20 {
                let _ = tokio::time::timeout(Duration::from_millis(5), looks.look(look)).await;
            }
            assert!(count.get() <= 2, "{} looks in a tenth of a second", count.get());
        });
    }
}

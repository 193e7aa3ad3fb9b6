//! One value for all tests of a binary, which none of them finds as a test that panicked has left it.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

/// A value that is made when a test first wants it, and anew when a test has panicked while it had it.
pub(crate) struct Renewed<T> {
    make: fn() -> T,
    value: Mutex<Option<T>>,
}

/// The value, for the calling test alone.
pub(crate) struct Mine<'a, T>(MutexGuard<'a, Option<T>>);

impl<T> Renewed<T> {
    pub(crate) const fn by(make: fn() -> T) -> Self {
        Self { make, value: Mutex::new(None) }
    }

    pub(crate) fn get(&self) -> Mine<'_, T> {
        let mut value = self.value.lock().unwrap_or_else(|poisoned| {
            let mut value = poisoned.into_inner();
            // Its end comes before the next one's start.
            *value = None;
            self.value.clear_poison();
            value
        });
        value.get_or_insert_with(self.make);
        Mine(value)
    }
}

impl<T> Deref for Mine<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

impl<T> DerefMut for Mine<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

#[test]
fn what_a_test_has_changed_when_it_panics_no_other_test_finds() {
    static VALUE: Renewed<String> = Renewed::by(|| "new".to_owned());
    VALUE.get().push_str(", and changed by a test that went well");
    assert_eq!(*VALUE.get(), "new, and changed by a test that went well");
    let half_way = std::panic::catch_unwind(|| {
        let mut value = VALUE.get();
        value.push_str(", then broken");
        panic!("half way");
    });
    assert!(half_way.is_err());
    assert_eq!(*VALUE.get(), "new");
    assert_eq!(*VALUE.get(), "new", "once is enough");
}

//! Keeps a panic where it happened.

use std::any::Any;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

/// Run work to its end, or to its panic, whose message is the error.
pub(super) async fn contain<T>(work: impl Future<Output = T> + Send) -> Result<T, String> {
    let mut work: Pin<Box<dyn Future<Output = T> + Send + '_>> = Box::pin(work);
    // Work that panicked is never polled again, so nobody sees what it left half done.
    let outcome = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(end)) => Poll::Ready(Ok(end)),
        Err(panic) => Poll::Ready(Err(panic_message(&*panic))),
    })
    .await;
    // What it holds is dropped here, which may panic as well.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(work)));
    let end = outcome?;
    dropped.map_err(|panic| panic_message(&*panic))?;
    Ok(end)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("boom");
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_message() {
        assert_eq!(contain(async {}).await, Ok(()));
        assert_eq!(contain(async { panic!("no luck") }).await, Err("no luck".to_owned()));
        assert_eq!(contain(async { panic!("no {}", "luck") }).await, Err("no luck".to_owned()));
    }

    #[tokio::test]
    async fn what_the_work_holds_may_panic_as_well() {
        let bomb = Bomb;
        let work = async move {
            let _bomb = &bomb;
            std::future::pending::<()>().await;
        };
        let boxed = Box::pin(work);
        let caught = catch_unwind(AssertUnwindSafe(|| drop(boxed)));
        assert_eq!(caught.map_err(|panic| panic_message(&*panic)), Err("boom".to_owned()));
        let bomb = Bomb;
        assert_eq!(contain(async move { drop(bomb) }).await, Err("boom".to_owned()));
    }
}

//! Work with several visions at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::anyhow;

use crate::core::vision::Vision;

/// What `work` makes with each vision, all at once, in the order of the visions.
///
/// # Errors
/// The first of `work`'s, or that one has panicked.
pub(super) fn each<R: Send>(
    visions: Vec<Vision>,
    work: impl Fn(Vision) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = visions
            .into_iter()
            .map(|vision| scope.spawn(|| work(vision)))
            .collect();
        let ended = workers.into_iter().map(|worker| {
            worker
                .join()
                .map_err(|_| anyhow!("a worker has panicked"))?
        });
        ended.collect()
    })
}

/// What `act` makes of each item, as many at once as there are visions, in the order of the items.
///
/// # Errors
/// The first of `act`'s; the other workers end what they are at.
pub(super) fn spread<T: Sync, R: Send>(
    visions: Vec<Vision>,
    items: &[T],
    act: impl Fn(Vision, &T) -> anyhow::Result<(Vision, R)> + Sync,
) -> anyhow::Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = |mut vision: Vision| {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return Ok(done);
            };
            match act(vision, item) {
                Ok((back, made)) => {
                    vision = back;
                    done.push((at, made));
                }
                Err(error) => {
                    next.store(items.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
    };
    let mut done = each(visions, work)?
        .into_iter()
        .flatten()
        .collect::<Vec<(usize, R)>>();
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, made)| made).collect())
}

//! One connection to PostgreSQL, for threads that wait.
//!
//! The connection itself is served by one thread of the process; whoever asks parks until the
//! answer is there, whether in an async context or not, as with SQLite.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use futures_util::future::join_all;
use tokio::runtime::Runtime;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row, Statement};

use crate::config::postgres_address::Address;
use crate::store::StoreError;

/// Statements that a connection keeps ready: some for each hour of the term.
const STATEMENTS_MAX: usize = 1024;
/// What every connection begins with. A commit is on the server's disk before it is answered. The
/// tables of hours have no statistics, and are always found through an index when there is one.
const SESSION: &str = "
    SET synchronous_commit = on; SET lock_timeout = '10s'; SET statement_timeout = '5min';
    SET idle_in_transaction_session_timeout = '2min'; SET enable_seqscan = off; SET jit = off;
    SET client_min_messages = warning;";

/// Values of one statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// What serves every connection of the process.
fn runtime() -> Result<&'static Runtime, StoreError> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static MAKING: Mutex<()> = Mutex::new(());
    // One thread at a time: a second runtime, made for nothing, may not be dropped in async code.
    let _turn = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("postgresql")
        .enable_all()
        .build();
    let made = made.map_err(|source| failed("start the thread for connections", source))?;
    Ok(RUNTIME.get_or_init(|| made))
}

fn failed(
    doing: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Server {
        doing,
        state: String::new(),
        source: source.into(),
    }
}

/// Names what was being done when PostgreSQL failed.
pub(super) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for Result<T, tokio_postgres::Error> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Server {
            doing,
            state: source
                .code()
                .map_or_else(String::new, |state| state.code().to_owned()),
            source: source.into(),
        })
    }
}

/// A connection, made when it is first used and made again when it broke.
pub(super) struct PgConnection {
    address: Arc<Address>,
    client: Option<Client>,
    statements: HashMap<String, Statement>,
}

impl std::fmt::Debug for PgConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PgConnection")
    }
}

impl PgConnection {
    /// A connection that is not made yet.
    pub(super) fn to(address: Arc<Address>) -> Self {
        Self {
            address,
            client: None,
            statements: HashMap::new(),
        }
    }

    /// Whether there is a connection that has not broken.
    pub(super) fn is_up(&self) -> bool {
        self.client
            .as_ref()
            .is_some_and(|client| !client.is_closed())
    }

    /// Makes the connection if there is none.
    pub(super) fn ready(&mut self) -> Result<(), StoreError> {
        const DOING: &str = "connect";
        if self.is_up() {
            return Ok(());
        }
        self.give_up();
        let config = self.address.config();
        let config = config.map_err(|source| failed("take the password of", source))?;
        let connecting = runtime()?.spawn(async move {
            let (client, connection) = config.connect(NoTls).await?;
            tokio::spawn(async move {
                // Whoever uses the connection gets the fault with its next statement.
                let _ = connection.await;
            });
            Ok::<_, tokio_postgres::Error>(client)
        });
        let connected = wait(connecting).map_err(|source| failed(DOING, source))?;
        let client = connected.doing(DOING)?;
        wait(client.batch_execute(SESSION)).doing("set the connection up")?;
        self.client = Some(client);
        Ok(())
    }

    /// Lets the connection go; what was not committed is rolled back by the server.
    pub(super) fn give_up(&mut self) {
        self.client = None;
        self.statements.clear();
    }

    fn client(&self) -> Result<&Client, StoreError> {
        self.client
            .as_ref()
            .ok_or_else(|| failed("ask", "there is no connection"))
    }

    /// Runs statements without values.
    pub(super) fn run(&self, doing: &'static str, sql: &str) -> Result<(), StoreError> {
        wait(self.client()?.batch_execute(sql)).doing(doing)
    }

    fn prepared(&mut self, doing: &'static str, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = wait(self.client()?.prepare(sql)).doing(doing)?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The rows that a statement gives.
    pub(super) fn rows(
        &mut self,
        doing: &'static str,
        sql: &str,
        values: Values<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepared(doing, sql)?;
        wait(self.client()?.query(&statement, values)).doing(doing)
    }

    /// The one row that a statement gives, or none.
    pub(super) fn row(
        &mut self,
        doing: &'static str,
        sql: &str,
        values: Values<'_>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(doing, sql, values)?.into_iter().next())
    }

    /// How many rows a statement changed.
    pub(super) fn change(
        &mut self,
        doing: &'static str,
        sql: &str,
        values: Values<'_>,
    ) -> Result<u64, StoreError> {
        let statement = self.prepared(doing, sql)?;
        wait(self.client()?.execute(&statement, values)).doing(doing)
    }

    /// What each of several statements gives, sent one behind the other without waiting for the
    /// answers between. A table that is gone meanwhile gives nothing.
    pub(super) fn each(
        &mut self,
        doing: &'static str,
        asked: &[(String, Vec<Box<dyn ToSql + Sync>>)],
    ) -> Result<Vec<Vec<Row>>, StoreError> {
        let mut statements = Vec::new();
        for (sql, _) in asked {
            statements.push(match self.prepared(doing, sql) {
                Err(error) if error.is_no_such_table() => None,
                other => Some(other?),
            });
        }
        let client = self.client()?;
        let answers = statements
            .iter()
            .zip(asked)
            .map(|(statement, (_, values))| {
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(AsRef::as_ref).collect();
                async move {
                    match statement {
                        Some(statement) => client.query(statement, &values).await.doing(doing),
                        None => Ok(Vec::new()),
                    }
                }
            });
        let answers = wait(join_all(answers)).into_iter();
        answers
            .map(|answer| match answer {
                Err(error) if error.is_no_such_table() => Ok(Vec::new()),
                other => other,
            })
            .collect()
    }

    /// Copies rows into a table, in binary: `table` names it with its columns.
    pub(super) fn copy<'v>(
        &self,
        doing: &'static str,
        table: &str,
        types: &[Type],
        rows: impl Iterator<Item = Vec<&'v (dyn ToSql + Sync)>>,
    ) -> Result<u64, StoreError> {
        let client = self.client()?;
        let sql = format!("COPY {table} FROM STDIN (FORMAT binary)");
        wait(async move {
            let sink = client.copy_in(&sql).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(sink, types));
            for row in rows {
                writer.as_mut().write(&row).await?;
            }
            writer.finish().await
        })
        .doing(doing)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_of_async_code_that_connect_at_once_get_the_same_runtime() {
        let start = Barrier::new(16);
        let made = |start: &Barrier| {
            let here = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            here.block_on(async {
                start.wait();
                std::ptr::from_ref(runtime().unwrap()).addr()
            })
        };
        let runtimes: Vec<usize> = thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(|| made(&start))).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(runtimes.windows(2).all(|two| two[0] == two[1]));
    }
}

//! `varco-hub account`, `post` and `session`: how persons sign in.

use std::io::Write;

use clap::Subcommand;
use serde_json::json;
use varco_proto::time::UtcTime;

use super::console::Console;
use super::output::{Output, json as print_json, table};
use crate::bodies::{self, BodyId};
use crate::home::Home;
use crate::people::actors;
use crate::signing::accounts::{self, PersonAccount};
use crate::signing::desk::{self, AccountInvite};
use crate::signing::passkey_revoking;
use crate::signing::passkeys;
use crate::signing::post_desk::{self, PostInvite};
use crate::signing::posts::{self, Post};
use crate::signing::sessions::{self, SessionRow, WhyEnded};
use crate::signing::user_name::UserName;
use crate::store::sql::Connection;

/// `account`.
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Print a one-time code with which a person opens an account, or opens it anew.
    ///
    /// The code holds for 24 hours and once. With it the person sets a password and a second factor on the
    /// hub's page. For an account that is there, password and second factor hold no more from now on, and
    /// its sessions end: so it is when a password or a telephone is lost. It leaves an audit line.
    Invite {
        /// What the person will type: 3 to 32 of a-z, 0-9, '.', '-' and '_'.
        user: UserName,
        /// Whose account it is to be, as audit lines name them; needed for a new account.
        #[arg(long, value_name = "NAME")]
        person: Option<String>,
    },
    /// List the accounts: whose they are, when they were used last, and why they are disabled.
    List,
    /// Disable an account: it lets nobody in, and its sessions end within seconds.
    Disable {
        /// The user name.
        user: UserName,
    },
    /// List the passkeys that hold.
    Passkeys,
    /// Revoke a passkey for good: it lets its person in no more, and its sessions go on.
    RevokePasskey {
        /// The user name.
        user: UserName,
        /// The id that `account passkeys` shows.
        passkey: String,
    },
    /// Let a disabled account's person in again, with the password of before.
    Enable {
        /// The user name.
        user: UserName,
    },
}

/// `post`.
#[derive(Debug, Subcommand)]
pub enum PostCommand {
    /// Print a one-time code with which a workstation becomes a post.
    ///
    /// The code holds for 24 hours and once. It is typed on the hub's page, in the browser of that
    /// workstation, which makes a key that cannot leave it.
    Invite {
        /// What people call it: 'Sala operativa 1'.
        name: String,
        /// The id of the body in whose rooms it stands: its people alone sign in from it.
        #[arg(long, value_name = "BODY")]
        body: BodyId,
    },
    /// List the posts.
    List,
    /// Revoke a post for good: nobody signs in from it, and the sessions from it end within seconds.
    Revoke {
        /// Its id or its name.
        post: String,
    },
}

/// `session`.
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// List who is signed in, and from where.
    List,
    /// End a session within seconds.
    End {
        /// The id that `session list` shows.
        id: String,
    },
}

/// Invites to accounts, lists, disables or enables them.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn account(
    home: &Home,
    command: AccountCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        AccountCommand::Invite { user, person } => {
            let invite = AccountInvite {
                user_name: &user,
                person: person.as_deref(),
            };
            let handed = desk::invite(&mut main, &home.signing_key()?, &invite, &acting)?;
            let what = json!({
                "account": handed.of, "user_name": user.as_str(), "code": handed.code.as_str(),
                "ends_at": handed.ends_at,
            });
            let said = format!(
                "{}\nShown once; \"{user}\" opens the account with it on the hub's page until {}.",
                handed.code, handed.ends_at
            );
            output.done(out, &what, &said)?;
        }
        AccountCommand::List => list_accounts(&main, acting.now, output, out)?,
        AccountCommand::Passkeys => list_passkeys(&main, output, out)?,
        AccountCommand::RevokePasskey { user, passkey } => {
            let account = accounts::of_user(&main, &user)?;
            let Some(account) = account else {
                anyhow::bail!(
                    "there is no account `{user}`; `varco-hub account list` shows those there are"
                );
            };
            if !passkey_revoking::revoke(&mut main, &passkey, &account.id, &acting)? {
                anyhow::bail!(
                    "\"{user}\" has no passkey `{passkey}`; `varco-hub account passkeys` shows those that hold"
                );
            }
            let what = json!({ "user_name": user.as_str(), "passkey": passkey, "revoked": true });
            output.done(
                out,
                &what,
                &format!("the passkey {passkey} of \"{user}\" lets nobody in any more"),
            )?;
        }
        AccountCommand::Disable { user } => {
            let ended = desk::disable(&mut main, &user, &acting)?;
            let what = json!({ "user_name": user.as_str(), "disabled": true, "sessions": ended });
            let said = format!("\"{user}\" is let in no more; sessions that ended: {ended}");
            output.done(out, &what, &said)?;
        }
        AccountCommand::Enable { user } => {
            desk::enable(&mut main, &user, &acting)?;
            let what = json!({ "user_name": user.as_str(), "disabled": false });
            output.done(out, &what, &format!("\"{user}\" is let in again"))?;
        }
    }
    Ok(())
}

fn state_of(account: &PersonAccount, now: UtcTime) -> String {
    let invited = account.invitation.as_ref();
    match (&account.disabled_at, invited, &account.credentials) {
        (Some(at), _, _) => {
            let why = account.disabled_why.as_deref().unwrap_or("not said");
            format!("disabled {at}: {why}")
        }
        (None, Some(invited), _) if now < invited.ends_at => {
            format!("invited until {}", invited.ends_at)
        }
        (None, Some(_), _) => "its code is over: invite again".to_owned(),
        (None, None, Some(_)) => "open".to_owned(),
        (None, None, None) => "nothing lets its person in: invite again".to_owned(),
    }
}

fn list_accounts(
    main: &Connection,
    now: UtcTime,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for account in accounts::all(main)? {
        let actor = actors::of_id(main, &account.actor_id)?;
        let person = actor.map_or_else(|| "?".to_owned(), |actor| actor.name().to_owned());
        rows.push((person, account));
    }
    if output.json {
        let rows = rows.iter().map(|(person, account)| {
            json!({
                "account": account.id, "user_name": account.user_name.as_str(), "person": person,
                "actor_id": account.actor_id, "used_at": account.used_at,
                "is_open": account.credentials.is_some(), "disabled_at": account.disabled_at,
                "disabled_why": account.disabled_why, "state": state_of(account, now),
            })
        });
        let rows: Vec<_> = rows.collect();
        return Ok(print_json(out, &json!({ "accounts": rows }))?);
    }
    let mut shown = table(&["user name", "whose", "used last (UTC)", "state"]);
    for (person, account) in rows {
        let state = state_of(&account, now);
        let used = account
            .used_at
            .map_or_else(|| "–".to_owned(), |at| at.to_string());
        shown.add_row([account.user_name.to_string(), person, used, state]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}

fn list_passkeys(main: &Connection, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for passkey in passkeys::all(main)? {
        if passkey.revoked_at.is_none() {
            let account = accounts::of_id(main, &passkey.account)?;
            let user =
                account.map_or_else(|| "?".to_owned(), |account| account.user_name.to_string());
            rows.push((user, passkey));
        }
    }
    if output.json {
        let rows = rows.iter().map(|(user, passkey)| {
            json!({
                "passkey": passkey.id, "user_name": user, "name": passkey.name,
                "made_at": passkey.made_at, "used_at": passkey.used_at,
            })
        });
        let rows: Vec<_> = rows.collect();
        return Ok(print_json(out, &json!({ "passkeys": rows }))?);
    }
    let mut shown = table(&[
        "passkey",
        "user name",
        "name",
        "made (UTC)",
        "used last (UTC)",
    ]);
    for (user, passkey) in rows {
        let used = passkey
            .used_at
            .map_or_else(|| "–".to_owned(), |at| at.to_string());
        shown.add_row([
            passkey.id,
            user,
            passkey.name,
            passkey.made_at.to_string(),
            used,
        ]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}

/// Invites, lists or revokes posts.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn post(
    home: &Home,
    command: PostCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        PostCommand::Invite { name, body } => {
            if !bodies::find(&main, &body)?.is_some_and(|body| body.holds()) {
                anyhow::bail!(
                    "there is no body `{body}`; `varco-hub body list` shows those there are"
                );
            }
            let invite = PostInvite {
                name: &name,
                body: body.as_str(),
            };
            let handed = post_desk::invite(&mut main, &invite, &acting)?;
            let what = json!({
                "post": handed.of, "name": name.trim(), "code": handed.code.as_str(),
                "ends_at": handed.ends_at,
            });
            let said = format!(
                "{}\nShown once; type it on the hub's page at that workstation until {}.",
                handed.code, handed.ends_at
            );
            output.done(out, &what, &said)?;
        }
        PostCommand::List => list_posts(&main, output, out)?,
        PostCommand::Revoke { post } => {
            let revoked = post_desk::revoke(&mut main, &post, &acting)?;
            let what =
                json!({ "name": revoked.name, "revoked": true, "sessions": revoked.sessions });
            let said = format!(
                "nobody signs in from \"{}\" any more; sessions that ended: {}",
                revoked.name, revoked.sessions
            );
            output.done(out, &what, &said)?;
        }
    }
    Ok(())
}

fn list_posts(main: &Connection, output: Output, out: &mut impl Write) -> anyhow::Result<()> {
    let rows = posts::all(main)?;
    if output.json {
        let rows = rows.iter().map(|post| {
            json!({
                "post": post.id, "name": post.name, "body": post.body, "made_at": post.made_at,
                "enrolled_at": post.enrolled_at, "seen_at": post.seen_at,
                "revoked_at": post.revoked_at,
                "key_digest": post.public_key.as_deref().map(posts::key_digest),
            })
        });
        let rows: Vec<_> = rows.collect();
        return Ok(print_json(out, &json!({ "posts": rows }))?);
    }
    let mut shown = table(&["id", "post", "whose", "used last (UTC)", "state"]);
    for post in rows {
        let seen = post
            .seen_at
            .map_or_else(|| "–".to_owned(), |at| at.to_string());
        let state = state_of_post(&post);
        shown.add_row([post.id, post.name, post.body, seen, state]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}

fn state_of_post(post: &Post) -> String {
    match (post.revoked_at, post.enrolled_at, post.code_ends_at) {
        (Some(at), _, _) => format!("revoked {at}"),
        (None, Some(at), _) => format!("enrolled {at}"),
        (None, None, Some(at)) => format!("its code holds until {at}"),
        (None, None, None) => "not enrolled: invite again".to_owned(),
    }
}

/// Lists or ends sessions.
///
/// # Errors
/// What is wrong, and what to do.
pub(super) fn session(
    home: &Home,
    command: SessionCommand,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let (mut main, console) = Console::open(home)?;
    let acting = console.acting();
    match command {
        SessionCommand::List => list_sessions(&main, acting.now, output, out)?,
        SessionCommand::End { id } => {
            desk::end_session(&mut main, &id, WhyEnded::ByHand, &acting)?;
            let what = json!({ "session": id, "ended": true });
            output.done(out, &what, &format!("the session {id} has ended"))?;
        }
    }
    Ok(())
}

fn list_sessions(
    main: &Connection,
    now: UtcTime,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let rows = sessions::open_rows(main)?.into_iter();
    let rows: Vec<SessionRow> = rows.filter(|row| now < row.ends_at).collect();
    let is_locked = |row: &SessionRow| row.locked_at.is_some() || now >= row.idle_at;
    let mut named = Vec::new();
    for row in rows {
        let actor = actors::of_id(main, &row.actor_id)?;
        let person = actor.map_or_else(|| "?".to_owned(), |actor| actor.name().to_owned());
        let post = match &row.post {
            Some(id) => posts::of_id(main, id)?.map(|post| post.name),
            None => None,
        };
        named.push((row, person, post));
    }
    if output.json {
        let rows = named.iter().map(|(row, person, post)| {
            json!({
                "session": row.id, "person": person, "account": row.account, "post": post,
                "made_at": row.made_at, "seen_at": row.seen_at, "ends_at": row.ends_at,
                "locked": is_locked(row),
            })
        });
        let rows: Vec<_> = rows.collect();
        return Ok(print_json(out, &json!({ "sessions": rows }))?);
    }
    let mut shown = table(&["id", "who", "post", "since (UTC)", "seen (UTC)", "state"]);
    for (row, person, post) in named {
        let state = if is_locked(&row) { "locked" } else { "holds" };
        shown.add_row([
            row.id.clone(),
            person,
            post.unwrap_or_else(|| "–".to_owned()),
            row.made_at.to_string(),
            row.seen_at.to_string(),
            state.to_owned(),
        ]);
    }
    writeln!(out, "{shown}")?;
    Ok(())
}

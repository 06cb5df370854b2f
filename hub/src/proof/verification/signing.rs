//! How persons sign in, held against the lines: nobody has an account, a password, a passkey or a post that
//! no line gave.

use std::collections::BTreeSet;

use crate::proof::verification::expected::{Expected, Made};
use crate::proof::verification::tables::Held;
use crate::signing::{accounts, passkeys, posts};
use crate::store::StoreError;
use crate::store::sql::Connection;

/// Holds accounts and posts against their lines.
///
/// # Errors
/// [`StoreError`].
pub(super) fn hold(
    held: &mut Held,
    main: &Connection,
    expected: &Expected,
) -> Result<(), StoreError> {
    hold_accounts(held, main, expected)?;
    hold_posts(held, main, expected)?;
    hold_passkeys(held, main, expected)
}

fn hold_passkeys(
    held: &mut Held,
    main: &Connection,
    expected: &Expected,
) -> Result<(), StoreError> {
    let (table, book) = ("passkeys", &expected.passkeys);
    let mut there = BTreeSet::new();
    for passkey in passkeys::all(main)? {
        let is_as_told = |Made { told, .. }: &Made<_>| {
            let told: &crate::audit::told::PasskeyMade = told;
            let row = (&passkey.account, &passkey.name, passkey.digest());
            let is_same = row == (&told.account, &told.name, told.key_digest.clone());
            (!is_same).then_some("it is not what its line says")
        };
        let is_revoked = passkey.revoked_at.is_some();
        held.row(table, book, &passkey.id, is_revoked, is_as_told);
        there.insert(passkey.id.clone());
    }
    held.gone(table, book, &there);
    Ok(())
}

fn hold_accounts(
    held: &mut Held,
    main: &Connection,
    expected: &Expected,
) -> Result<(), StoreError> {
    let (table, book) = ("accounts", &expected.accounts);
    let mut there = BTreeSet::new();
    for account in accounts::all(main)? {
        let is_as_told = |Made { told, .. }: &Made<_>| {
            let told: &crate::audit::told::AccountMade = told;
            let row = (&*account.actor_id, account.user_name.as_str());
            let is_same = row == (&*told.actor_id, &*told.user_name);
            (!is_same).then_some("it is not what its line says")
        };
        if expected.disabled.contains(&account.id) && account.disabled_at.is_none() {
            held.note(
                table,
                &account.id,
                "a line disabled it, and its row says that it lets somebody in",
            );
        }
        // Being disabled can be taken back, and is no end.
        held.row(table, book, &account.id, false, is_as_told);
        let digest = account
            .credentials
            .as_ref()
            .map(|set| set.digest().to_string());
        // None at all let nobody in: so it is after an older database was put in place.
        if digest.is_some() && digest.as_ref() != expected.credentials.get(&account.id) {
            let what = "password or second factor are not those that its person set";
            held.note(table, &account.id, what);
        }
        there.insert(account.id);
    }
    held.gone(table, book, &there);
    Ok(())
}

fn hold_posts(held: &mut Held, main: &Connection, expected: &Expected) -> Result<(), StoreError> {
    let (table, book) = ("posts", &expected.posts);
    let mut there = BTreeSet::new();
    for post in posts::all(main)? {
        let is_revoked = post.revoked_at.is_some();
        held.row(
            table,
            book,
            &post.id,
            is_revoked,
            |Made { told, .. }| {
                let is_same = (&told.name, &told.body) == (&post.name, &post.body);
                (!is_same).then_some("it is not what its line says")
            },
        );
        let digest = post.public_key.as_deref().map(posts::key_digest);
        if digest.is_some() && digest.as_ref() != expected.post_keys.get(&post.id) {
            held.note(table, &post.id, "its key is not the one in its line");
        }
        there.insert(post.id);
    }
    held.gone(table, book, &there);
    Ok(())
}

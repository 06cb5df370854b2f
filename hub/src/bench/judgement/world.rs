//! The made-up force, and the ways in which it may differ from the real ones.

use serde::Serialize;

/// How a made-up force works. Chances are in a thousand.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct World {
    /// People.
    pub(super) officers: usize,
    /// Days.
    pub(super) days: u64,
    /// Vehicles that a patrol meets.
    pub(super) vehicles: u64,
    /// Plates that a patrol checks in one shift, on average.
    pub(super) checks: u64,
    /// Cases that an investigator begins in a month.
    pub(super) cases_a_month: u64,
    /// Looks after which a case grows.
    pub(super) grows: u64,
    /// Cases in which one person works alone and nothing is ever found.
    pub(super) dead: u64,
    /// Checks under one reference that a whole force shares, as `controllo`.
    pub(super) shared_reference: u64,
    /// People who write one reference of their own for all their checks.
    pub(super) own_reference: u64,
    /// Whether the hub knows who is on duty.
    pub(super) has_rosters: bool,
    /// Plates that bodies list as their own people's.
    pub(super) listed: u64,
    /// Abusers of each kind.
    pub(super) abusers_of_each: usize,
}

/// The worlds in which both bars must hold.
#[must_use]
pub(super) fn worlds() -> Vec<NamedWorld> {
    let usual = World {
        officers: 300,
        days: 365,
        vehicles: 400_000,
        checks: 12,
        cases_a_month: 3,
        grows: 250,
        dead: 100,
        shared_reference: 100,
        own_reference: 20,
        has_rosters: false,
        listed: 75,
        abusers_of_each: 5,
    };
    let of = |name, world| NamedWorld { name, world };
    vec![
        of("usual", usual),
        of(
            "busier",
            World {
                checks: 35,
                cases_a_month: 6,
                ..usual
            },
        ),
        of(
            "quieter",
            World {
                checks: 4,
                cases_a_month: 1,
                vehicles: 150_000,
                listed: 30,
                ..usual
            },
        ),
        of(
            "sloppier",
            World {
                shared_reference: 500,
                own_reference: 80,
                ..usual
            },
        ),
        of(
            "stuck",
            World {
                grows: 120,
                dead: 200,
                ..usual
            },
        ),
        of(
            "rosters",
            World {
                has_rosters: true,
                ..usual
            },
        ),
    ]
}

/// A world with its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedWorld {
    /// Its name.
    pub(super) name: &'static str,
    /// How it works.
    pub(super) world: World,
}

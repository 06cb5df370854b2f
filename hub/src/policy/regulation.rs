//! A small world, enumerated, and what the regulation says of each of its cells: written from its text, and not from
//! the policy, which must agree in every one.

use std::collections::BTreeSet;

use varco_proto::time::UtcTime;

use super::caller::{Beside, Caller, CallerKind};
use super::{Deed, LeftTo, OnSite, Policy};
use crate::agreements::{Agreement, Member};
use crate::approvals::subject::ApprovalFor;
use crate::audit::purpose::Purpose;
use crate::bodies::{Body, BodyKind};
use crate::municipalities::Municipality;
use crate::people::appointments::Role;
use crate::people::tokens::{Permission, Permissions, TokenBounds};

/// What a site may be used for, and what the question is for.
const ALLOWED: [Purpose; 2] = [Purpose::PublicSafety, Purpose::Traffic];
const SHARED: Purpose = Purpose::PublicSafety;
const NOT_SHARED: Purpose = Purpose::Traffic;
/// Art. 4 c. 7, whatever an agreement says.
const NOT_ALLOWED: Purpose = Purpose::Sanction;

/// How an agreement fits a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deal {
    /// There is none.
    None,
    /// It gives all.
    Whole,
    /// Another municipality gives.
    OtherGiver,
    /// Another body receives.
    OtherReceiver,
    /// It does not let this be done.
    Lacks(Permission),
    /// Nobody let the body in.
    NotAdmitted,
    /// Somebody did.
    Admitted,
    /// It was ended.
    Ended,
}

/// Gates, and the question about them.
#[derive(Debug, Clone, Copy)]
pub(super) struct SiteCell {
    /// `A`, `B`, or nobody's.
    pub(super) whose: Option<&'static str>,
    pub(super) deal: Deal,
    pub(super) purpose: Option<Purpose>,
    /// Whether the first level uses them.
    pub(super) claimed: bool,
}

/// To whom it is left to decide about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Municipality(&'static str),
    Body(&'static str),
}

/// One thing that somebody may want to do.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) caller: Caller,
    pub(super) deed: Deed,
    pub(super) site: Option<SiteCell>,
    pub(super) request: Option<Left>,
}

fn at(second: i64) -> UtcTime {
    UtcTime::from_unix_us(second * 1_000_000)
}

fn body(id: &str, kind: BodyKind, municipality: Option<&str>, is_owner: bool) -> Body {
    Body {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        kind,
        municipality: municipality.map(|name| name.parse().unwrap()),
        reference_form: None,
        is_owner,
        made_at: at(0),
        ended_at: None,
    }
}

fn bodies() -> [Body; 5] {
    [
        body("owner", BodyKind::LocalPolice, Some("A"), true),
        body("comune-a", BodyKind::Municipality, Some("A"), false),
        body("polizia-b", BodyKind::LocalPolice, Some("B"), false),
        body("questura", BodyKind::StatePolice, None, false),
        body("ditta", BodyKind::Maintenance, None, false),
    ]
}

fn all_tasks() -> Permissions {
    Permissions::of(&Permission::ALL.map(|(task, _)| task))
}

fn without(one: Permission) -> Permissions {
    let rest: Vec<_> = all_tasks().iter().filter(|task| *task != one).collect();
    Permissions::of(&rest)
}

fn caller(kind: CallerKind, body: &Body, may: Permissions) -> Caller {
    Caller {
        id: "a1".to_owned(),
        kind,
        body: body.clone(),
        may,
        delegated: Permissions::of(&[]),
        bounds: None,
        at_post: true,
        second_present: false,
        beside: None,
    }
}

/// Functions of the person who is responsible, and what each lets do (art. 6 c. 3).
const FUNCTIONS: [(Permission, Deed); 3] = [
    (Permission::Persons, Deed::KeepPersons),
    (Permission::Admission, Deed::Admit),
    (Permission::Oversight, Deed::Oversee),
];

/// Everybody with one function delegated to them, which nobody but an operator or an officer may have.
fn delegates() -> Vec<Caller> {
    let mut all = Vec::new();
    for body in bodies() {
        for (role, _) in Role::ALL {
            for (function, _) in FUNCTIONS {
                let kind = CallerKind::Person {
                    role,
                    is_police: true,
                };
                all.push(Caller {
                    delegated: Permissions::of(&[function]),
                    ..caller(kind, &body, all_tasks())
                });
            }
        }
    }
    all
}

/// Whoever sits beside them works for this body.
fn beside(body: Body) -> Option<Beside> {
    Some(Beside {
        body,
        gates: BTreeSet::new(),
    })
}

/// Everybody of the small world, with all tasks, and with each but one.
fn callers() -> Vec<Caller> {
    let mut all = Vec::new();
    for body in bodies() {
        let mut tasks = vec![all_tasks()];
        tasks.extend(Permission::ALL.map(|(one, _)| without(one)));
        // For what one of two tasks is enough, neither.
        tasks.push(without(Permission::Hotlists).and(&without(Permission::Alerts)));
        tasks.push(without(Permission::Lookups).and(&without(Permission::Edges)));
        for may in tasks {
            for (role, _) in Role::ALL {
                for is_police in [true, false] {
                    let kind = CallerKind::Person { role, is_police };
                    let alone = caller(kind, &body, may.clone());
                    let [owner, _, other, ..] = bodies();
                    for at_post in [true, false] {
                        let of = Caller {
                            at_post,
                            ..alone.clone()
                        };
                        all.push(of.clone());
                        all.push(of.clone().with(beside(owner.clone())));
                        if role == Role::Maintenance && may == all_tasks() {
                            all.push(of.with(beside(other.clone())));
                        }
                    }
                }
            }
            all.extend(systems(&body, &may));
        }
    }
    all
}

/// The agreement of the small world, by its id.
const AGREEMENT: &str = "patto";

/// A body's programs: with a token for everything under the agreement; and, where their tasks are all, for one purpose, for
/// none, under another agreement and under none, and without any.
fn systems(body: &Body, may: &Permissions) -> Vec<Caller> {
    let all = [SHARED, NOT_SHARED, NOT_ALLOWED];
    let mut tokens = vec![(&all[..], Some(AGREEMENT))];
    if *may == all_tasks() {
        tokens.extend([
            (&all[..1], Some(AGREEMENT)),
            (&all[..0], Some(AGREEMENT)),
            (&all[..], Some("altro")),
            (&all[..], None),
        ]);
    }
    let by_token = tokens.into_iter().map(|(purposes, agreement)| Caller {
        bounds: Some(TokenBounds {
            agreement: agreement.map(str::to_owned),
            ..TokenBounds::of(purposes)
        }),
        ..caller(CallerKind::System, body, may.clone())
    });
    let webhook = caller(CallerKind::System, body, may.clone());
    by_token.chain([webhook]).collect()
}

fn deals() -> Vec<Deal> {
    let mut all = vec![
        Deal::None,
        Deal::Whole,
        Deal::OtherGiver,
        Deal::OtherReceiver,
        Deal::NotAdmitted,
        Deal::Admitted,
        Deal::Ended,
    ];
    let given = [
        Permission::Lookups,
        Permission::Alerts,
        Permission::Convoys,
        Permission::Cases,
        Permission::Statistics,
    ];
    all.extend(given.map(Deal::Lacks));
    all
}

/// What is asked of gates, by whose they are.
fn sites(whose: Option<&'static str>, whole: bool) -> Vec<SiteCell> {
    let mut all = Vec::new();
    for deal in deals() {
        for purpose in [Some(SHARED), Some(NOT_SHARED), Some(NOT_ALLOWED), None] {
            let is_plain = deal == Deal::None && purpose == Some(SHARED);
            let is_claimable = purpose == Some(SHARED)
                && matches!(deal, Deal::None | Deal::Whole | Deal::NotAdmitted);
            for claimed in [false, true] {
                if (whole || is_plain) && (!claimed || is_claimable) {
                    all.push(SiteCell {
                        whose,
                        deal,
                        purpose,
                        claimed,
                    });
                }
            }
        }
    }
    all
}

/// What can be left to somebody to decide.
const LEFT: [Left; 5] = [
    Left::Municipality("A"),
    Left::Municipality("B"),
    Left::Body("owner"),
    Left::Body("questura"),
    Left::Body("ditta"),
];

/// Every cell of the small world.
pub(super) fn cells() -> Vec<Cell> {
    let mut all = Vec::new();
    for caller in callers().into_iter().chain(delegates()) {
        let is_delegate = !caller.delegated.is_empty();
        let whole = caller.may == all_tasks();
        for (deed, _) in Deed::ALL {
            let of = |site, request| Cell {
                caller: caller.clone(),
                deed,
                site,
                request,
            };
            all.push(of(None, None));
            if deed.is_on_sites() && !is_delegate {
                for whose in [Some("A"), Some("B"), None] {
                    let sites = sites(whose, whole).into_iter();
                    all.extend(sites.map(|site| of(Some(site), None)));
                }
            }
            let decides = ApprovalFor::ALL.iter();
            if decides
                .map(|(what, _)| Deed::deciding(*what))
                .any(|one| one == deed)
            {
                all.extend(LEFT.map(|left| of(None, Some(left))));
            }
        }
    }
    all
}

fn agreement(site: &SiteCell, caller: &Caller) -> Option<Agreement> {
    let deal = site.deal;
    if deal == Deal::None {
        return None;
    }
    let member = |who: &str| Member {
        who: who.parse::<Municipality>().unwrap(),
        joined_at: at(0),
        left_at: None,
    };
    let giver = match (deal, site.whose) {
        (Deal::OtherGiver, Some("A")) => "B",
        (Deal::OtherGiver, _) => "A",
        (_, whose) => whose.unwrap_or("A"),
    };
    let receiver = match deal {
        Deal::OtherReceiver => "carabinieri".parse().unwrap(),
        _ => caller.body.id.clone(),
    };
    Some(Agreement {
        id: AGREEMENT.parse().unwrap(),
        title: "Patto".to_owned(),
        legal_basis: "L. 48/2017".to_owned(),
        lead: giver.parse().unwrap(),
        purposes: BTreeSet::from([SHARED, NOT_ALLOWED]),
        may: match deal {
            Deal::Lacks(one) => without(one),
            _ => all_tasks(),
        },
        admission: matches!(deal, Deal::NotAdmitted | Deal::Admitted),
        from: at(0),
        until: at(1000),
        made_at: at(0),
        ended_at: (deal == Deal::Ended).then(|| at(5)),
        givers: vec![member(giver)],
        receivers: vec![Member {
            who: receiver,
            joined_at: at(0),
            left_at: None,
        }],
        gates: BTreeSet::new(),
    })
}

/// What the policy says of a cell; an error when it cannot say.
pub(super) fn by_policy(policy: &Policy, cell: &Cell) -> Result<bool, super::PolicyError> {
    if let Some(left) = cell.request {
        return match left {
            Left::Municipality(name) => {
                let name = name.parse().unwrap();
                policy.may_decide(&cell.caller, cell.deed, LeftTo::Municipality(&name))
            }
            Left::Body(id) => {
                let id = id.parse().unwrap();
                policy.may_decide(&cell.caller, cell.deed, LeftTo::Body(&id))
            }
        };
    }
    let Some(site) = &cell.site else {
        return policy.may_try(&cell.caller, cell.deed);
    };
    let whose: Option<Municipality> = site.whose.map(|name| name.parse().unwrap());
    let agreement = agreement(site, &cell.caller);
    let on = OnSite {
        municipality: whose.as_ref(),
        purpose: site.purpose,
        purposes: &ALLOWED,
        agreement: agreement.as_ref(),
        admitted: site.deal == Deal::Admitted,
        claimed: site.claimed,
        now: at(10),
    };
    policy.may_on(&cell.caller, cell.deed, &on)
}

/// What shows or keeps transits of single vehicles.
fn is_of_vehicles(deed: Deed) -> bool {
    matches!(
        deed,
        Deed::LookUp
            | Deed::Watch
            | Deed::FindCompanions
            | Deed::SeeAlerts
            | Deed::Hold
            | Deed::Extract
            | Deed::Correct
    )
}

fn tasks(deed: Deed) -> &'static [Permission] {
    match deed {
        Deed::LookUp | Deed::Watch | Deed::Correct | Deed::Accompany | Deed::Claim => {
            &[Permission::Lookups]
        }
        Deed::FindCompanions => &[Permission::Convoys],
        Deed::SeeAlerts => &[Permission::Alerts],
        Deed::Hold | Deed::Extract => &[Permission::Cases, Permission::Lookups],
        Deed::Count => &[Permission::Statistics],
        Deed::KeepHotlists => &[Permission::Hotlists],
        Deed::KeepCases | Deed::Authorise => &[Permission::Cases],
        Deed::MindEdges => &[Permission::Edges],
        Deed::Oversee => &[Permission::Oversight],
        Deed::KeepPersons => &[Permission::Persons],
        Deed::Admit | Deed::ReadNotices => &[Permission::Admission],
        Deed::SeeHotlists | Deed::SeeEdges | Deed::Ask | Deed::SeeWhole => &[],
    }
}

/// Art. 7 c. 4, art. 8 c. 2, art. 6 c. 5: what each role is for.
fn is_for(role: Role, deed: Deed) -> bool {
    let of_operators = is_of_vehicles(deed)
        || matches!(
            deed,
            Deed::Count
                | Deed::SeeHotlists
                | Deed::KeepHotlists
                | Deed::KeepCases
                | Deed::SeeEdges
                | Deed::MindEdges
                | Deed::Accompany
                | Deed::Claim
                | Deed::Ask
                | Deed::SeeWhole
        );
    match role {
        Role::Responsible => true,
        Role::DutyOfficer => of_operators || deed == Deed::Admit,
        Role::Operator => of_operators,
        Role::GuardCorps => matches!(
            deed,
            Deed::LookUp
                | Deed::Watch
                | Deed::SeeAlerts
                | Deed::SeeHotlists
                | Deed::SeeEdges
                | Deed::Count
                | Deed::Claim
        ),
        Role::Oversight => matches!(
            deed,
            Deed::Count | Deed::Oversee | Deed::SeeEdges | Deed::Ask
        ),
        Role::Administrator => matches!(
            deed,
            Deed::KeepPersons | Deed::MindEdges | Deed::SeeEdges | Deed::Ask
        ),
        Role::Maintenance => matches!(
            deed,
            Deed::LookUp
                | Deed::Watch
                | Deed::MindEdges
                | Deed::SeeEdges
                | Deed::SeeWhole
                | Deed::Ask
        ),
    }
}

/// Every reason that the regulation has against a cell; it allows what there is none against.
pub(super) fn reasons(cell: &Cell) -> Vec<&'static str> {
    let (caller, deed) = (&cell.caller, cell.deed);
    let mut against = Vec::new();
    let mut unless = |holds: bool, why: &'static str| {
        if !holds {
            against.push(why);
        }
    };
    for task in tasks(deed) {
        unless(caller.may.has(*task), "no act gives the task");
    }
    let one_of = |one, other| caller.may.has(one) || caller.may.has(other);
    match deed {
        Deed::SeeHotlists => unless(
            one_of(Permission::Hotlists, Permission::Alerts),
            "no act gives either task",
        ),
        Deed::SeeEdges => unless(
            one_of(Permission::Lookups, Permission::Edges),
            "no act gives either task",
        ),
        _ => {}
    }
    match caller.kind {
        CallerKind::System => {
            unless(!decides(deed), "a program decides nothing");
            unless(
                caller.bounds.is_some() || deed == Deed::SeeAlerts,
                "a webhook is told of alerts alone",
            );
        }
        CallerKind::Person { role, is_police } => {
            against.extend(reasons_of_person(caller, role, is_police, deed));
        }
    }
    let mut unless = |holds: bool, why: &'static str| {
        if !holds {
            against.push(why);
        }
    };
    let is_technician = matches!(
        caller.kind,
        CallerKind::Person {
            role: Role::Maintenance,
            ..
        }
    );
    unless(
        caller.body.kind != BodyKind::Maintenance || is_technician,
        "a firm has technicians alone",
    );
    if let Some(site) = &cell.site {
        against.extend(reasons_of_site(caller, deed, site));
    }
    if let Some(left) = cell.request
        && !is_left_to(caller, left)
    {
        against.push("it is left to others");
    }
    against
}

/// Whether a deed decides something, or lets something be seen that only persons answer for.
fn decides(deed: Deed) -> bool {
    matches!(
        deed,
        Deed::KeepPersons
            | Deed::Admit
            | Deed::ReadNotices
            | Deed::Oversee
            | Deed::KeepCases
            | Deed::Hold
            | Deed::Authorise
            | Deed::Accompany
            | Deed::Claim
            | Deed::Ask
            | Deed::Extract
            | Deed::Correct
    )
}

/// What stands against a person's deed.
fn reasons_of_person(
    caller: &Caller,
    role: Role,
    is_police: bool,
    deed: Deed,
) -> Vec<&'static str> {
    let mut against = Vec::new();
    let mut unless = |holds: bool, why: &'static str| {
        if !holds {
            against.push(why);
        }
    };
    let is_kept_or_shown = is_of_vehicles(deed)
        || matches!(
            deed,
            Deed::KeepCases | Deed::Authorise | Deed::Accompany | Deed::Claim
        );
    let is_delegated = matches!(role, Role::Operator | Role::DutyOfficer)
        && FUNCTIONS
            .iter()
            .any(|(function, lets)| *lets == deed && caller.delegated.has(*function));
    unless(is_for(role, deed) || is_delegated, "the role is not for it");
    unless(
        role != Role::Maintenance || caller.second_present || deed == Deed::Ask,
        "a technician is alone",
    );
    unless(
        is_police || role == Role::Maintenance || !(is_kept_or_shown || deed == Deed::KeepHotlists),
        "art. 7 c. 2: not of Judicial Police",
    );
    unless(caller.at_post || !is_kept_or_shown, "not at a post");
    unless(
        !matches!(deed, Deed::Admit | Deed::ReadNotices | Deed::Claim)
            || caller.body.kind == BodyKind::LocalPolice,
        "only level 1 lets others in, and goes first",
    );
    against
}

/// Whether somebody is of those to whom it is left to decide.
fn is_left_to(caller: &Caller, left: Left) -> bool {
    match left {
        Left::Municipality(name) => municipality_of(&caller.body) == Some(name),
        Left::Body(id) => caller.body.id.as_str() == id,
    }
}

fn municipality_of(body: &Body) -> Option<&str> {
    body.municipality.as_ref().map(Municipality::as_str)
}

/// Whether whoever sits beside a technician would see these gates as their own.
fn is_seen_beside(caller: &Caller, site: &SiteCell) -> bool {
    let Some(beside) = &caller.beside else {
        return false;
    };
    match site.whose {
        Some(name) => caller.is_technician() && municipality_of(&beside.body) == Some(name),
        None => caller.is_technician() && beside.body.is_owner,
    }
}

fn reasons_of_site(caller: &Caller, deed: Deed, site: &SiteCell) -> Vec<&'static str> {
    let mut against = Vec::new();
    if !site
        .purpose
        .is_none_or(|purpose| ALLOWED.contains(&purpose))
    {
        against.push("not one of the site's purposes");
    }
    if site.purpose.is_none() && is_of_vehicles(deed) {
        against.push("no purpose");
    }
    if let (Some(bounds), Some(purpose)) = (&caller.bounds, site.purpose)
        && !bounds.purposes.contains(&purpose)
    {
        against.push("not one of its token's purposes");
    }
    let own = municipality_of(&caller.body);
    let uses = matches!(
        deed,
        Deed::LookUp | Deed::Watch | Deed::FindCompanions | Deed::Hold | Deed::SeeAlerts
    );
    if site.claimed && uses && (site.whose.is_none() || own != site.whose) {
        against.push("level 1 uses it");
    }
    let is_own = match site.whose {
        Some(name) => own == Some(name),
        None => caller.body.is_owner,
    };
    if is_own || is_seen_beside(caller, site) {
        return against;
    }
    if site.whose.is_none() {
        against.push("nobody gave it");
        return against;
    }
    if deed == Deed::Correct {
        against.push("only whose gate it is corrects what was misread");
    }
    if let Some(bounds) = &caller.bounds
        && site.deal != Deal::None
        && bounds.agreement.as_deref() != Some(AGREEMENT)
    {
        against.push("not its token's agreement");
    }
    match site.deal {
        Deal::None => against.push("no agreement"),
        Deal::OtherGiver => against.push("another gives"),
        Deal::OtherReceiver => against.push("another receives"),
        Deal::NotAdmitted => against.push("not let in"),
        Deal::Ended => against.extend(["it ended for the giver", "and for the receiver"]),
        Deal::Lacks(one) if tasks(deed).contains(&one) => against.push("not what it gives"),
        Deal::Whole | Deal::Admitted | Deal::Lacks(_) => {}
    }
    if site.purpose == Some(NOT_SHARED) && site.deal != Deal::None {
        against.push("not one of its purposes");
    }
    against
}

#[test]
fn the_policy_agrees_with_the_regulation_in_every_cell() {
    let policy = Policy::built_in().unwrap();
    let strict = Policy::built_in().unwrap().strictly();
    let (mut allowed, mut all) = (0, 0);
    for cell in cells() {
        let (said, against) = (by_policy(&policy, &cell).unwrap(), reasons(&cell));
        assert_eq!(said, against.is_empty(), "{cell:?}\n{against:?}");
        if said {
            prove(&cell);
        }
        if all % 101 == 0 {
            assert_eq!(by_policy(&strict, &cell).unwrap(), said, "{cell:?}");
        }
        allowed += usize::from(said);
        all += 1;
    }
    assert!(all > 100_000 && allowed > 1_000, "{allowed} of {all}");
}

#[test]
fn e06_part_sanctions_are_a_purpose_only_where_the_gates_own_list_has_them() {
    let policy = Policy::built_in().unwrap();
    let everybody = bodies();
    let police = CallerKind::Person {
        role: Role::Operator,
        is_police: true,
    };
    let (own, other) = (&everybody[2], &everybody[0]);
    let whose: Municipality = "B".parse().unwrap();
    let site = SiteCell {
        whose: Some("B"),
        deal: Deal::Whole,
        purpose: Some(Purpose::Sanction),
        claimed: false,
    };
    for (body, agreed) in [(own, false), (other, false), (other, true)] {
        let caller = caller(police, body, all_tasks());
        let agreement = agreement(&site, &caller).filter(|_| agreed);
        for (list, has_it) in [
            (vec![Purpose::PublicSafety, Purpose::Sanction], true),
            (Purpose::REGULATION.to_vec(), false),
            (Vec::new(), false),
        ] {
            let on = OnSite {
                municipality: Some(&whose),
                purpose: site.purpose,
                purposes: &list,
                agreement: agreement.as_ref(),
                admitted: false,
                claimed: false,
                now: at(10),
            };
            for (deed, _) in Deed::ALL.iter().filter(|(deed, _)| is_of_vehicles(*deed)) {
                let may = policy.may_on(&caller, *deed, &on).unwrap();
                // No agreement lets another office correct what a municipality's gates read.
                let shares = agreed && *deed != Deed::Correct;
                let expected = has_it && (body.id == own.id || shares);
                assert_eq!(may, expected, "{} {deed:?} {list:?}", body.id);
            }
        }
    }
}

/// What must hold of everything that is allowed, said on its own.
fn prove(cell: &Cell) {
    let role = match cell.caller.kind {
        CallerKind::Person { role, .. } => Some(role),
        CallerKind::System => None,
    };
    let extracts = matches!(
        cell.deed,
        Deed::Hold | Deed::KeepCases | Deed::Authorise | Deed::SeeWhole | Deed::Extract
    );
    assert!(
        !(role == Some(Role::GuardCorps) && extracts),
        "the guard corps never extracts: {cell:?}"
    );
    assert!(
        role != Some(Role::Maintenance) || cell.caller.second_present || cell.deed == Deed::Ask,
        "maintenance does nothing alone but ask not to be: {cell:?}"
    );
    let watches = matches!(role, Some(Role::Oversight | Role::Administrator));
    assert!(
        !(watches && is_of_vehicles(cell.deed)),
        "whoever watches over it sees no vehicle: {cell:?}"
    );
    let by_delegation = FUNCTIONS
        .iter()
        .any(|(function, lets)| *lets == cell.deed && cell.caller.delegated.has(*function));
    assert!(
        cell.deed != Deed::KeepPersons
            || by_delegation
            || matches!(role, Some(Role::Responsible | Role::Administrator)),
        "nobody appoints but who answers, or has the function: {cell:?}"
    );
    if let (Some(site), Some(bounds)) = (&cell.site, &cell.caller.bounds) {
        let is_for_it = |purpose| bounds.purposes.contains(&purpose);
        assert!(
            site.purpose.is_none_or(is_for_it),
            "a token is for its purposes alone: {cell:?}"
        );
        let is_own = match site.whose {
            Some(name) => municipality_of(&cell.caller.body) == Some(name),
            None => cell.caller.body.is_owner,
        };
        assert!(
            is_own || bounds.agreement.as_deref() == Some(AGREEMENT),
            "a token shows others' gates under its agreement alone: {cell:?}"
        );
    }
    if let Some(site) = &cell.site {
        assert!(
            site.purpose != Some(Purpose::Sanction),
            "nothing is used for sanctions: {cell:?}"
        );
        let own = cell
            .caller
            .body
            .municipality
            .as_ref()
            .map(Municipality::as_str);
        let is_own = site.whose.is_some() && site.whose == own;
        let is_unowned = site.whose.is_none() && cell.caller.body.is_owner;
        assert!(
            is_own || is_unowned || is_seen_beside(&cell.caller, site) || site.deal != Deal::None,
            "nobody outside an agreement sees its transits: {cell:?}"
        );
    }
}

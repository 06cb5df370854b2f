//! The map: where gates and cameras stand, areas of it, and what lies in them. This room owns the table
//! `gate_places`; it knows whose a gate is, and no transit.

pub mod area;
pub mod desk;
pub mod gates;
pub mod place;

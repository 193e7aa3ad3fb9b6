//! What is measured, in the order of the report.

mod leases;
mod rails;
mod scale;
mod startup;
mod status;
mod storm;

use anyhow::Result;

pub(crate) use rails::attach_and_detach;

use crate::exec::Bench;
use crate::report::Report;

type Measure = fn(&Bench<'_>, &mut Report) -> Result<()>;

pub(crate) const ALL: [(&str, Measure); 13] = [
    ("start-up", startup::version),
    ("instructions", startup::instructions),
    ("size and memory", startup::size_and_memory),
    ("one rail", rails::one),
    ("eight rails", rails::eight),
    ("leases", leases::by_count),
    ("owners", leases::by_owners),
    ("128 at once", storm::at_once),
    ("status", status::status),
    ("64 rails", scale::rails),
    ("pods at once", scale::pods),
    ("1000 links", scale::links),
    ("10000 routes", scale::routes),
];

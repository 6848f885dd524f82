// SPDX-License-Identifier: GPL-2.0-only
//! `pmusim paths`: what each version's paths cost against the number of compatible events.

use std::sync::atomic::Ordering;

use explore::paths::{Order, Paths, PathsError};
use report::{OrderPaths, PathsReport};
use scenario::Scheduler;

use crate::args::PathsArgs;
use crate::configs::Configs;
use crate::context::Context;
use crate::error::Failure;
use crate::exit::Exit;
use crate::matrix::VERSIONS;
use crate::prepared::guest;
use crate::progress::watched;

pub(crate) fn run(context: &Context, args: &PathsArgs) -> Result<Exit, Failure> {
    let configs = Configs::around(None);
    let (machine, _) = configs.machine(&args.machine)?;
    let names = if args.scheduler.is_empty() {
        VERSIONS.map(str::to_owned).to_vec()
    } else {
        args.scheduler.clone()
    };
    let schedulers = names.iter().map(|name| configs.scheduler(name));
    let schedulers: Vec<Scheduler> = schedulers.collect::<Result<_, _>>()?;
    let most = usize::from(args.events);
    let (orders, _) = watched(context, "paths", |progress| {
        let runs = Order::ALL.len() * schedulers.len() * most;
        progress.total.store(runs as u64, Ordering::Relaxed);
        Order::ALL.map(|order| {
            let count = |scheduler| {
                Paths {
                    order,
                    machine: &machine,
                    scheduler,
                    image: guest(),
                    progress,
                }
                .costs(most, context.jobs())
            };
            let versions = schedulers.iter().map(|scheduler| {
                let costs = count(scheduler)?;
                Ok(costs.map(|costs| (scheduler.name.clone(), costs)))
            });
            let versions: Option<Vec<_>> = versions.collect::<Result<_, PathsError>>()?;
            Ok(versions.map(|versions| OrderPaths::new(order, &versions)))
        })
    });
    let orders: Result<Option<Vec<_>>, PathsError> = orders.into_iter().collect();
    let orders = orders.map_err(|error| Failure::input(error.to_string()))?;
    let Some(orders) = orders else {
        return Ok(Exit::Interrupted);
    };
    let report = PathsReport {
        machine: machine.name,
        orders,
    };
    if args.markdown {
        context.text(&report.markdown())?;
    } else {
        context.result("paths", &report, |out| report.human(out))?;
    }
    Ok(Exit::Good)
}

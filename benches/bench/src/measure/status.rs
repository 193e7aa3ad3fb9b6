use anyhow::Result;

use crate::exec::{Bench, Call};
use crate::report::{Report, Unit};
use crate::samples::Samples;

const STATUS: Call<'_> = Call { verb: "STATUS", container_id: "", netns: "", ifname: "" };

/// STATUS of each plugin of the chain; Debian's reference plugins are of a version before it.
pub(crate) fn status(bench: &Bench<'_>, report: &mut Report) -> Result<()> {
    if bench.ours.is_reference() {
        report.note("STATUS is not measured: the reference plugins of this version do not know it");
        return Ok(());
    }
    let chain = bench.ours.chain(1);
    let configs = [&chain[0], &chain[1], &chain[0]];
    for (plugin, config) in bench.ours.plugins().into_iter().zip(configs) {
        let ask = || Ok(bench.run(&bench.ours, plugin, &STATUS, config)?.0);
        let times = (0..=bench.rounds).map(|_| ask()).collect::<Result<Vec<_>>>()?;
        report.alone(format!("STATUS of {plugin}"), Unit::Seconds, Samples::of(&times[1..]));
    }
    Ok(())
}

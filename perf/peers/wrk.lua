-- SPDX-License-Identifier: Apache-2.0
-- What perf/harness/web.py asks of wrk: `-- DEPTH` requests in one write; the result is a line of JSON behind wrk's own.
function init(args)
  local depth = tonumber(args[1] or "1")
  if depth > 1 then  -- otherwise wrk's own request, which it makes once
    local together = string.rep(wrk.format(), depth)
    request = function() return together end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('{"requests": %d, "us": %d, "p50_us": %.0f, "p99_us": %.0f, "status": %d, "socket": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end

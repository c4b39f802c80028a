-- The script of wrk: so many requests in one write, and the figures as one line of JSON.
--
--   wrk -s http_load.lua ... URL -- DEPTH

local requests

function init(args)
  requests = string.rep(wrk.format("GET"), tonumber(args[1]))
end

function request()
  return requests
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format(
    '{"completed":%d,"elapsedUs":%d,"bytes":%d,"refused":%d,"broken":%d,"p50Us":%d,"p99Us":%d}',
    summary.requests, summary.duration, summary.bytes, errors.status, broken,
    latency:percentile(50), latency:percentile(99)))
end

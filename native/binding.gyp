# Lives here and not in the root of the package, because npm would take a
# binding.gyp there for an install script, and since version 12 silently not
# run it.
{
  "variables": {
    "core_sources": [
      "core/sys.cc",
      "core/address.cc",
      "core/clock.cc",
      "core/socket.cc",
      "core/datagrams.cc",
      "core/in_flight.cc",
      "core/multicast.cc",
      "core/unix_socket.cc",
      "core/waker.cc",
      "core/poller.cc",
      "core/poller_poll.cc",
      "core/poll_thread.cc",
      "core/threads.cc",
      "core/signals.cc"
    ],
    "binding_sources": [
      "binding/addon.cc",
      "binding/call.cc",
      "binding/clock.cc",
      "binding/datagrams.cc",
      "binding/faults.cc",
      "binding/loop_poller.cc",
      "binding/poller.cc",
      "binding/socket.cc",
      "binding/threads.cc",
      "binding/transfer.cc",
      "binding/unix_socket.cc"
    ]
  },
  "targets": [
    {
      "target_name": "millrace",
      "sources": ["<@(core_sources)", "<@(binding_sources)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      # Version 8 is in every Node this package supports: one binary for all.
      # A worker can be terminated inside any call; what cannot be thrown there
      # any more must not abort the process.
      "defines": [
        "NAPI_VERSION=8",
        "NAPI_DISABLE_CPP_EXCEPTIONS",
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
      ],
      # The headers of newer Node versions ask for C++20, which only V8's need.
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
      "cflags_cc": ["-std=c++17", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-exceptions"],
      "conditions": [
        ["OS=='linux'", {
          "sources": ["core/poller_epoll.cc"],
          # Node unloads addons with the worker that loaded them last, while
          # the poll thread may still be on its way out.
          "ldflags": ["-Wl,-z,nodelete"]
        }],
        ["OS=='mac' or OS=='freebsd' or OS=='openbsd' or OS=='netbsd'", {
          "sources": ["core/poller_kqueue.cc"]
        }]
      ],
      "xcode_settings": {
        "CLANG_CXX_LANGUAGE_STANDARD": "c++17",
        "GCC_ENABLE_CPP_EXCEPTIONS": "NO",
        "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
        "WARNING_CFLAGS": ["-Wall", "-Wextra"]
      }
    }
  ]
}

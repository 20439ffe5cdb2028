{
  "targets": [
    {
      "target_name": "cthelper",
      "sources": ["native/addon.c", "native/arguments.c", "native/netns.c", "native/netlink.c", "native/poll.c", "native/sender.c", "native/thread.c", "native/inet.c"],
      "defines": ["NAPI_VERSION=8", "_GNU_SOURCE"],
      "cflags": ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"],
      "cflags!": ["-Wno-unused-parameter"]
    }
  ]
}

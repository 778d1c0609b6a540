#!/bin/sh
# JSON is still unstable, and so needs the compiler's permission. It is given to rustdoc alone: told to everybody, it
# would make cargo build the dependencies whose build scripts look at this variable a second time.
RUSTC_BOOTSTRAP=1 exec rustdoc "$@"

#!/bin/sh
# With Lambda's Runtime API at hand the function runs on it, otherwise under the emulator, which listens on port 8080.
if [ $# -ne 1 ]; then
  echo "usage: docker run … IMAGE module.handler" >&2
  exit 142
fi
export _HANDLER="$1"
if [ -n "$AWS_LAMBDA_RUNTIME_API" ]; then
  exec /var/runtime/bootstrap
fi
exec /usr/local/bin/aws-lambda-rie /var/runtime/bootstrap

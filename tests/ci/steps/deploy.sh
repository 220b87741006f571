#!/bin/sh
# The step that gets credentials: uses them, shows all that it was given, and leaves a process behind.
set -eu
aws sts get-caller-identity --query Arn --output text
env > left/environment
if [ -n "${GITHUB_ENV:-}" ]; then cat left/environment >> "$GITHUB_ENV"; fi
python3 "$STEPS/leftover.py" > /dev/null 2>&1 < /dev/null &
read -r _ < left/served
echo now > left/during
cat left/looked

//go:build tools

// Package engine pins the Pulumi engine, the `pulumi` command, that tools/install-engine builds.
package engine

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"

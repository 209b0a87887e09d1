//go:build tools

// Package languagepython pins the host for programs in Python, that tools/install-engine builds.
//
// The SDK's Go module carries the host's source up to this release only; it works with the
// current engine when the program's virtual environment is first on PATH.
package languagepython

import _ "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"

//go:build tools

// Package languageyaml pins the host for programs in YAML, that tools/install-engine builds.
package languageyaml

import _ "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml"

// Command sdkgen writes the SDK of one language from a Pulumi schema:
//
//	sdkgen LANGUAGE SCHEMA.json OUTDIR
//
// It replaces what it finds in OUTDIR under the names that it writes, and leaves other files alone.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/blang/semver"
	gogen "github.com/pulumi/pulumi/pkg/v3/codegen/go"
	"github.com/pulumi/pulumi/pkg/v3/codegen/nodejs"
	"github.com/pulumi/pulumi/pkg/v3/codegen/python"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

const tool = "tools/sdkgen"

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: sdkgen python|nodejs|go SCHEMA.json OUTDIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "sdkgen:", err)
		os.Exit(1)
	}
}

func run(language, schemaPath, outDir string) error {
	pkg, err := readPackage(schemaPath)
	if err != nil {
		return err
	}
	files, err := generate(language, pkg)
	if err != nil {
		return fmt.Errorf("generating %s: %w", language, err)
	}
	for name, contents := range files {
		path := filepath.Join(outDir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, contents, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// readPackage reads a schema and binds its references. Warnings go to stderr, errors are returned.
func readPackage(path string) (*schema.Package, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var spec schema.PackageSpec
	if err := json.Unmarshal(text, &spec); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	pkg, diagnostics, err := schema.BindSpec(spec, noOtherPackages{}, schema.ValidationOptions{})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, d := range diagnostics {
		fmt.Fprintf(os.Stderr, "%s: %s\n", path, d.Error())
	}
	if diagnostics.HasErrors() {
		return nil, fmt.Errorf("%s: the schema is not valid", path)
	}
	return pkg, nil
}

func generate(language string, pkg *schema.Package) (map[string][]byte, error) {
	switch language {
	case "python":
		return python.GeneratePackage(tool, pkg, nil, noOtherPackages{})
	case "nodejs":
		return nodejs.GeneratePackage(tool, pkg, nil, nil, false, noOtherPackages{})
	case "go":
		return gogen.GeneratePackage(tool, pkg, nil)
	default:
		return nil, fmt.Errorf("no generator for %q: have python, nodejs, go", language)
	}
}

// noOtherPackages is the loader of a schema that refers to no package but itself and Pulumi's own types,
// which the binder knows without a loader.
type noOtherPackages struct{}

var _ schema.ReferenceLoader = noOtherPackages{}

var errOtherPackage = errors.New("the schema refers to another package")

func (noOtherPackages) LoadPackage(pkg string, _ *semver.Version) (*schema.Package, error) {
	return nil, fmt.Errorf("%w: %s", errOtherPackage, pkg)
}

func (noOtherPackages) LoadPackageV2(
	_ context.Context, d *schema.PackageDescriptor,
) (*schema.Package, error) {
	return nil, fmt.Errorf("%w: %s", errOtherPackage, d.PackageName())
}

func (noOtherPackages) LoadPackageReference(
	pkg string, _ *semver.Version,
) (schema.PackageReference, error) {
	return nil, fmt.Errorf("%w: %s", errOtherPackage, pkg)
}

func (noOtherPackages) LoadPackageReferenceV2(
	_ context.Context, d *schema.PackageDescriptor,
) (schema.PackageReference, error) {
	return nil, fmt.Errorf("%w: %s", errOtherPackage, d.PackageName())
}

// Package governor_test holds the tests of the repository as a whole.
package governor_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/governor-project/governor/"

// pureRooms compute and do nothing else: no I/O, no clock, no logging.
var pureRooms = []string{
	"internal/cpuset", "internal/control", "internal/tracelatency",
	"internal/jaegerthrift", "internal/appspec", "internal/channel", "internal/lifecycle/plan",
}

// pureLibraries are the modules besides the standard library that pure rooms may use.
var pureLibraries = []string{
	"go.opentelemetry.io/collector/pdata", // the data that they compute on
	"go.yaml.in/yaml/v3",                  // appspec reads bytes; it opens no file
}

// impureStandard are the parts of the standard library that pure rooms may not use.
var impureStandard = []string{"os", "net", "log", "syscall", "io/ioutil", "runtime/debug", "plugin"}

// pureInImpure are the exceptions: values without I/O inside such trees.
var pureInImpure = []string{"net/netip", "net/url"}

// edgeRooms do I/O through an injected root or interface and know no collector.
var edgeRooms = []string{"internal/cgroup", "internal/topology", "internal/docker", "internal/actuate"}

// componentFolders are wiring; they do not know each other.
var componentFolders = []string{"receiver", "processor", "exporter", "extension"}

type sourceFile struct {
	path    string // from the repository's root
	syntax  *ast.File
	imports []string
}

func TestPureRoomsStayPure(t *testing.T) {
	for _, file := range sources(t, pureRooms...) {
		for _, path := range file.imports {
			require.Truef(t, allowedInPureRoom(path), "%s imports %s: a pure room imports the standard library without I/O, pdata and other pure rooms", file.path, path)
		}
		require.Emptyf(t, clockReads(file.syntax), "%s reads the clock: time is an argument in a pure room", file.path)
	}
}

func TestEdgeRoomsKnowNoCollector(t *testing.T) {
	for _, file := range sources(t, edgeRooms...) {
		for _, path := range file.imports {
			require.Falsef(t, strings.HasPrefix(path, "go.opentelemetry.io/collector"), "%s imports %s: edge rooms know no collector", file.path, path)
			require.Falsef(t, inComponent(path), "%s imports %s: rooms do not import components", file.path, path)
		}
	}
}

func TestRoomsDoNotImportComponents(t *testing.T) {
	for _, file := range sources(t, "internal") {
		for _, path := range file.imports {
			require.Falsef(t, inComponent(path) || strings.HasPrefix(path, module+"cmd/"), "%s imports %s: rooms import neither components nor commands", file.path, path)
		}
	}
}

func TestComponentsDoNotKnowEachOther(t *testing.T) {
	for _, file := range sources(t, componentFolders...) {
		own := module + strings.Join(strings.Split(file.path, "/")[:2], "/")
		for _, path := range file.imports {
			foreign := inComponent(path) && path != own && !strings.HasPrefix(path, own+"/")
			require.Falsef(t, foreign || strings.HasPrefix(path, module+"cmd/"), "%s imports %s: components talk through pipelines and internal/inventory", file.path, path)
		}
	}
}

// sources are the non-test Go files below the folders; folders that do not exist yet have none.
func sources(t *testing.T, folders ...string) []sourceFile {
	t.Helper()
	var files []sourceFile
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return ignoreMissing(folder, path, err)
			}
			syntax, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			file := sourceFile{path: filepath.ToSlash(path), syntax: syntax}
			for _, spec := range syntax.Imports {
				name, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				file.imports = append(file.imports, name)
			}
			files = append(files, file)
			return nil
		})
		require.NoError(t, err)
	}
	return files
}

func ignoreMissing(folder, path string, err error) error {
	if path == folder && err != nil {
		return nil
	}
	return err
}

func allowedInPureRoom(path string) bool {
	if strings.HasPrefix(path, module) {
		return within(strings.TrimPrefix(path, module), pureRooms)
	}
	if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
		return within(path, pureLibraries)
	}
	return slices.Contains(pureInImpure, path) || !within(path, impureStandard)
}

func inComponent(path string) bool {
	rest, ours := strings.CutPrefix(path, module)
	return ours && within(rest, componentFolders)
}

// within reports whether path is one of the roots or below one.
func within(path string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}

// clockReads finds calls of time.Now, Since, Until, Sleep, After, Tick and timers.
func clockReads(file *ast.File) []string {
	var found []string
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		pkg, ok := selector.X.(*ast.Ident)
		clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}
		if ok && pkg.Name == "time" && slices.Contains(clock, selector.Sel.Name) {
			found = append(found, "time."+selector.Sel.Name)
		}
		return true
	})
	return found
}

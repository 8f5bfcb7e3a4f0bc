// Holds dashboards against Grafana's published schema, as its Foundation SDK carries it: no field that Grafana does not
// know, and none of a wrong type, in the dashboard, its panels, their options and their queries. A field that is left out is
// no fault: Grafana fills in its default, and only its own exports spell all of them out.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

const leftOut = "required field is missing from input"

// withSources gives each query the data source of its panel, as Grafana does: only then its fields are known.
func withSources(raw []byte) ([]byte, error) {
	var board struct {
		Panels []map[string]any `json:"panels"`
	}
	var whole map[string]any
	if err := errors.Join(json.Unmarshal(raw, &board), json.Unmarshal(raw, &whole)); err != nil {
		return nil, err
	}
	for _, panel := range board.Panels {
		targets, _ := panel["targets"].([]any)
		for _, target := range targets {
			query := target.(map[string]any)
			if _, own := query["datasource"]; !own && panel["datasource"] != nil {
				query["datasource"] = panel["datasource"]
			}
		}
	}
	whole["panels"] = board.Panels
	return json.Marshal(whole)
}

// complaints of one file, a line each.
func complaints(path string) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	if raw, err = withSources(raw); err != nil {
		return []string{err.Error()}
	}
	var strict, read dashboard.Dashboard
	var found []string
	if err := strict.UnmarshalJSONStrict(raw); err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			if line != "" && !strings.HasSuffix(line, leftOut) {
				found = append(found, line)
			}
		}
	}
	if err := json.Unmarshal(raw, &read); err != nil {
		return append(found, err.Error())
	}
	if err := read.Validate(); err != nil {
		found = append(found, err.Error())
	}
	return found
}

func main() {
	plugins.RegisterDefaultPlugins()
	wrong := false
	for _, path := range os.Args[1:] {
		found := complaints(path)
		wrong = wrong || len(found) > 0
		fmt.Printf("%s: %d complaints\n", path, len(found))
		for _, line := range found {
			fmt.Println("  " + line)
		}
	}
	if wrong {
		os.Exit(1)
	}
}

package differential

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcs "sigs.k8s.io/mcs-api/pkg/apis/v1alpha1"
	"sigs.k8s.io/yaml"
)

// define installs the definition of ServiceImports as its makers publish it,
// and returns when they can be listed.
func (c *cluster) define(ctx context.Context) error {
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/mcs-api").Output()
	if err != nil {
		return fmt.Errorf("find the definition of ServiceImports: %w", err)
	}
	file := filepath.Join(strings.TrimSpace(string(dir)), "config", "crd", mcs.GroupName+"_"+mcs.ServiceImportPluralName+".yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	body, err := yaml.YAMLToJSON(text)
	if err != nil {
		return err
	}
	err = c.client.Discovery().RESTClient().Post().AbsPath("/apis/apiextensions.k8s.io/v1/customresourcedefinitions").
		SetHeader("Content-Type", "application/json").Body(body).Do(ctx).Error()
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("define ServiceImports: %w", err)
	}
	return until(ctx, func() (bool, error) {
		_, err := c.mcs.ServiceImports("").List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// imported is put for a ServiceImport: of a defined resource the API server
// updates what its version is told of only.
func (c *cluster) imported(ctx context.Context, o *mcs.ServiceImport, gone bool) (object, error) {
	client := c.mcs.ServiceImports(o.Namespace)
	if !gone && o.ResourceVersion == "" {
		have, err := client.Get(ctx, o.Name, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, err
		}
		o.ResourceVersion = have.ResourceVersion
	}
	return put(ctx, client, o, gone)
}

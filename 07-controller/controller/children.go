package controller

import (
	"crypto/sha256"
	"encoding/hex"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"

	"client-go-lab/07-controller/api/v1alpha1"
)

// What a Website should have, as pure functions: a Website in, apply configurations out. They hold the fields that this
// controller wants to decide, and no other: the rest is the server's to default, and everybody's to set.

const (
	// LabelWebsite is on everything that is kept for a Website, and has its name.
	LabelWebsite = "lab.example.com/website"
	// LabelOwner is there, too, and has the Website's UID. An entry of the directory has nothing else that says whose it is: no
	// owner reference can point from one namespace into another.
	LabelOwner = "lab.example.com/owner-uid"
	// annotationPage is on the pods. A new page changes it, and a changed template makes a Deployment replace its pods.
	annotationPage = "lab.example.com/page"

	port = 8080
)

func childLabels(website *v1alpha1.Website) map[string]string {
	return map[string]string{
		LabelWebsite:                   website.Name,
		LabelOwner:                     string(website.UID),
		"app.kubernetes.io/managed-by": FieldManager,
	}
}

// ownerReference makes a Website the owner of a child: the garbage collector deletes the child after it. It is not
// blockOwnerDeletion, for which some clusters want the right to update websites/finalizers.
func ownerReference(website *v1alpha1.Website) *acmeta.OwnerReferenceApplyConfiguration {
	return acmeta.OwnerReference().
		WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("Website").
		WithName(website.Name).WithUID(website.UID).WithController(true)
}

// page returns a name for the page's file, by which the web server tells its type, and the page itself.
func page(website *v1alpha1.Website) (file, content string) {
	if website.Spec.HTML != "" {
		return "index.html", website.Spec.HTML
	}
	return "index.txt", website.Spec.Text
}

func configMapFor(website *v1alpha1.Website) *accore.ConfigMapApplyConfiguration {
	file, content := page(website)
	return accore.ConfigMap(website.Name, website.Namespace).
		WithLabels(childLabels(website)).
		WithOwnerReferences(ownerReference(website)).
		WithData(map[string]string{file: content})
}

// replicas is how many pods a Website should have now.
func replicas(website *v1alpha1.Website) int32 {
	switch {
	case website.Spec.Suspend:
		return 0
	case website.Spec.Replicas == nil:
		return 1 // the server sets this default; a test's fake does not
	}
	return *website.Spec.Replicas
}

func deploymentFor(website *v1alpha1.Website, image string) *acapps.DeploymentApplyConfiguration {
	file, content := page(website)
	sum := sha256.Sum256([]byte(file + "\n" + content)) // the file, too: the same words as text and as HTML are two pages
	selector := map[string]string{LabelWebsite: website.Name}
	container := accore.Container().
		WithName("web").
		WithImage(image).
		WithCommand("/webserver").
		WithArgs("-dir", "/site", "-listen", ":8080").
		WithPorts(accore.ContainerPort().WithName("http").WithContainerPort(port).WithProtocol(corev1.ProtocolTCP)).
		WithReadinessProbe(accore.Probe().WithHTTPGet(accore.HTTPGetAction().WithPath("/").WithPort(intstr.FromString("http")))).
		WithResources(accore.ResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("16Mi")}).
			WithLimits(corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")})).
		WithSecurityContext(accore.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(accore.Capabilities().WithDrop("ALL"))).
		WithVolumeMounts(accore.VolumeMount().WithName("site").WithMountPath("/site").WithReadOnly(true))
	pod := accore.PodSpec().
		WithAutomountServiceAccountToken(false). // a web server has nothing to say to the API server
		WithSecurityContext(accore.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(65532).
			WithSeccompProfile(accore.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))).
		WithContainers(container).
		WithVolumes(accore.Volume().WithName("site").
			WithConfigMap(accore.ConfigMapVolumeSource().WithName(website.Name)))
	return acapps.Deployment(website.Name, website.Namespace).
		WithLabels(childLabels(website)).
		WithOwnerReferences(ownerReference(website)).
		WithSpec(acapps.DeploymentSpec().
			WithReplicas(replicas(website)).
			WithSelector(acmeta.LabelSelector().WithMatchLabels(selector)).
			WithTemplate(accore.PodTemplateSpec().
				WithLabels(selector).
				WithAnnotations(map[string]string{annotationPage: hex.EncodeToString(sum[:8])}).
				WithSpec(pod)))
}

func serviceFor(website *v1alpha1.Website) *accore.ServiceApplyConfiguration {
	return accore.Service(website.Name, website.Namespace).
		WithLabels(childLabels(website)).
		WithOwnerReferences(ownerReference(website)).
		WithSpec(accore.ServiceSpec().
			WithSelector(map[string]string{LabelWebsite: website.Name}).
			WithPorts(accore.ServicePort().WithName("http").WithProtocol(corev1.ProtocolTCP).
				WithPort(80).WithTargetPort(intstr.FromString("http"))))
}

// entryFor is a Website's entry in the directory of sites: a ConfigMap with the host's name in a namespace of its own. That
// two objects of one name cannot be is what makes a host belong to one Website only.
func entryFor(website *v1alpha1.Website, directory string) *accore.ConfigMapApplyConfiguration {
	return accore.ConfigMap(website.Spec.Host, directory).
		WithLabels(childLabels(website)).
		WithData(map[string]string{"namespace": website.Namespace, "name": website.Name})
}

// owns says whether an object is a Website's: its controller by owner reference, or, where there is no such reference (an
// entry of the directory, or a child that lost it), by the label with its UID. A name alone says nothing: the object may be
// somebody else's, or that of an earlier Website of the same name.
func owns(website *v1alpha1.Website, object metav1.Object) bool {
	if owner := metav1.GetControllerOf(object); owner != nil {
		return owner.UID == website.UID
	}
	return object.GetLabels()[LabelOwner] == string(website.UID)
}

package broken

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

func watchList(ctx context.Context, request *rest.Request) {
	request.WatchList(ctx) // want "request.WatchList undefined"
	yes := true
	_, _ = request.VersionedParams(&metav1.ListOptions{
		SendInitialEvents:    &yes,
		AllowWatchBookmarks:  true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	}, scheme.ParameterCodec).Watch(ctx)
}

func chooseWatchList(reflector *cache.Reflector) {
	reflector.UseWatchList = nil // want "reflector.UseWatchList undefined"
}

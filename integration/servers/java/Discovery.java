// A client of Apache Curator's own service discovery, for tests: what it registers and what it can read is what applications on
// Curator and Spring Cloud register and read.
//
//     java -cp CLASSPATH Discovery.java CONNECT PATH [USER:PASSWORD]
//
// Each line of its input is a JSON array, a verb and words NAME=VALUE. It answers with a line of JSON for each fact, and then
// {"done":VERB} or {"error":TEXT}. At the end of its input it unregisters what it registered, as applications do.
//
//     names                                   {"name":...} for each name below PATH
//     instances as=TYPE name=NAME             what ServiceDiscovery.queryForInstances returns
//     watch as=TYPE name=NAME                 starts a ServiceCache, which is filled when this is done
//     cached as=TYPE name=NAME                what the cache has now, and {"changes":N}: how often it changed
//     await as=TYPE name=NAME address=ADDRESS there=true|false
//                                             waits until the cache has an instance there, or has none any more
//     register as=TYPE name=NAME id=ID address=ADDRESS [port=N] [sslPort=N] [type=DYNAMIC] [uri=SPEC] [meta.KEY=VALUE...]
//     update ...                              as register, of what is registered
//     unregister as=TYPE name=NAME id=ID      what was registered here
//
// TYPE is what the discovery is a discovery of: void, without payloads; map, a java.util.Map; spring, Spring Cloud's class
// ZookeeperInstance; object, whatever there is.
package org.springframework.cloud.zookeeper.discovery; // where the class is that payloads name

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BiFunction;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceInstanceBuilder;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.curator.x.discovery.details.JsonInstanceSerializer;
import org.apache.curator.x.discovery.details.ServiceCacheListener;

public final class Discovery {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, View<?>> views = new HashMap<>();

    public static void main(String[] args) throws Exception {
        Thread.currentThread().setContextClassLoader(Discovery.class.getClassLoader()); // which has ZookeeperInstance
        CuratorFrameworkFactory.Builder builder = CuratorFrameworkFactory.builder()
            .connectString(args[0])
            .sessionTimeoutMs(5_000)
            .connectionTimeoutMs(10_000)
            .retryPolicy(new ExponentialBackoffRetry(50, 8));
        if (args.length > 2) {
            builder.authorization("digest", args[2].getBytes(StandardCharsets.UTF_8));
        }
        try (CuratorFramework client = builder.build()) {
            client.start();
            client.blockUntilConnected();
            Discovery discovery = new Discovery(client, args[1]);
            say(Map.of("done", "start"));
            discovery.serve();
        }
    }

    private Discovery(CuratorFramework client, String path) throws Exception {
        views.put("void", new View<>(client, path, Void.class, (id, words) -> null));
        views.put("object", new View<>(client, path, Object.class, (id, words) -> null));
        views.put("map", new View<>(client, path, Map.class, (id, words) -> metadata(words)));
        views.put("spring", new View<>(client, path, ZookeeperInstance.class,
            (id, words) -> new ZookeeperInstance(id, words.get("name"), metadata(words))));
    }

    private void serve() throws Exception {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                String[] words = JSON.readValue(line, String[].class);
                try {
                    answer(words[0], named(words));
                    say(Map.of("done", words[0]));
                } catch (Exception | LinkageError e) {
                    say(Map.of("error", e.toString()));
                }
            }
        }
        for (View<?> view : views.values()) {
            view.close();
        }
    }

    private void answer(String verb, Map<String, String> words) throws Exception {
        View<?> view = views.get(words.getOrDefault("as", "void"));
        if (view == null) {
            throw new IllegalArgumentException("no type " + words.get("as"));
        }
        switch (verb) {
            case "names" -> view.names();
            case "instances" -> view.instances(words.get("name"));
            case "watch" -> view.watch(words.get("name"));
            case "cached" -> view.cached(words.get("name"));
            case "await" -> view.await(words.get("name"), words.get("address"), Boolean.parseBoolean(words.get("there")));
            case "register" -> view.register(words);
            case "update" -> view.update(words);
            case "unregister" -> view.unregister(words);
            default -> throw new IllegalArgumentException("no verb " + verb);
        }
    }

    private static Map<String, String> named(String[] words) {
        Map<String, String> all = new LinkedHashMap<>();
        for (int i = 1; i < words.length; i++) {
            String[] pair = words[i].split("=", 2);
            if (pair.length != 2) {
                throw new IllegalArgumentException("no NAME=VALUE: " + words[i]);
            }
            all.put(pair[0], pair[1]);
        }
        return all;
    }

    private static Map<String, String> metadata(Map<String, String> words) {
        Map<String, String> all = new TreeMap<>();
        words.forEach((name, value) -> {
            if (name.startsWith("meta.")) {
                all.put(name.substring("meta.".length()), value);
            }
        });
        return all;
    }

    static void say(Map<String, ?> fact) throws IOException {
        System.out.println(JSON.writeValueAsString(fact));
    }
}

/** View is the discovery of one type of payloads, what was registered by it and what it watches. */
final class View<T> {
    private final ServiceDiscovery<T> discovery;
    private final BiFunction<String, Map<String, String>, T> payload;
    private final Map<String, ServiceInstance<T>> own = new HashMap<>();
    private final Map<String, Cache<T>> caches = new HashMap<>();

    View(CuratorFramework client, String path, Class<T> type, BiFunction<String, Map<String, String>, T> payload) throws Exception {
        this.payload = payload;
        discovery = ServiceDiscoveryBuilder.builder(type).client(client).basePath(path)
            .serializer(new JsonInstanceSerializer<>(type)).build();
        discovery.start();
    }

    void names() throws Exception {
        for (String name : discovery.queryForNames().stream().sorted().toList()) {
            Discovery.say(Map.of("name", name));
        }
    }

    void instances(String name) throws Exception {
        say(discovery.queryForInstances(name));
    }

    void watch(String name) throws Exception {
        caches.put(name, new Cache<>(discovery.serviceCacheBuilder().name(name).build()));
    }

    void cached(String name) throws Exception {
        Cache<T> cache = cache(name);
        say(cache.instances());
        Discovery.say(Map.of("changes", cache.changes()));
    }

    void await(String name, String address, boolean there) throws Exception {
        cache(name).await(address, there);
    }

    private Cache<T> cache(String name) {
        Cache<T> cache = caches.get(name);
        if (cache == null) {
            throw new IllegalStateException("not watched: " + name);
        }
        return cache;
    }

    void register(Map<String, String> words) throws Exception {
        ServiceInstance<T> instance = instance(words);
        discovery.registerService(instance);
        own.put(key(words), instance);
    }

    void update(Map<String, String> words) throws Exception {
        ServiceInstance<T> instance = instance(words);
        discovery.updateService(instance);
        own.put(key(words), instance);
    }

    void unregister(Map<String, String> words) throws Exception {
        ServiceInstance<T> instance = own.remove(key(words));
        if (instance == null) {
            throw new IllegalStateException("not registered here: " + key(words));
        }
        discovery.unregisterService(instance);
    }

    void close() throws IOException {
        for (Cache<T> cache : caches.values()) {
            cache.close();
        }
        discovery.close();
    }

    private ServiceInstance<T> instance(Map<String, String> words) throws Exception {
        ServiceInstanceBuilder<T> builder = ServiceInstance.<T>builder()
            .name(words.get("name"))
            .id(words.get("id"))
            .address(words.get("address"))
            .serviceType(ServiceType.valueOf(words.getOrDefault("type", "DYNAMIC")))
            .payload(payload.apply(words.get("id"), words));
        if (words.containsKey("port")) {
            builder.port(Integer.parseInt(words.get("port")));
        }
        if (words.containsKey("sslPort")) {
            builder.sslPort(Integer.parseInt(words.get("sslPort")));
        }
        if (words.containsKey("uri")) {
            builder.uriSpec(new UriSpec(words.get("uri")));
        }
        return builder.build();
    }

    private static String key(Map<String, String> words) {
        return words.get("name") + "/" + words.get("id");
    }

    private static <T> void say(Collection<ServiceInstance<T>> instances) throws IOException {
        for (ServiceInstance<T> i : instances.stream().sorted((a, b) -> a.getId().compareTo(b.getId())).toList()) {
            Discovery.say(fact(i));
        }
    }

    private static <T> Map<String, Object> fact(ServiceInstance<T> i) {
        Map<String, Object> fact = new LinkedHashMap<>();
        fact.put("instance", i.getId());
        fact.put("name", i.getName());
        fact.put("address", i.getAddress());
        fact.put("port", i.getPort());
        fact.put("sslPort", i.getSslPort());
        fact.put("type", i.getServiceType());
        fact.put("enabled", i.isEnabled());
        fact.put("uri", i.getUriSpec() == null ? null : i.buildUriSpec());
        fact.put("class", i.getPayload() == null ? null : i.getPayload().getClass().getName());
        fact.put("payload", i.getPayload());
        return fact;
    }
}

/** Cache is a running ServiceCache that counts its changes. */
final class Cache<T> implements ServiceCacheListener {
    private final ServiceCache<T> cache;
    private final AtomicLong changes = new AtomicLong();

    Cache(ServiceCache<T> cache) throws Exception {
        this.cache = cache;
        cache.addListener(this);
        cache.start();
    }

    Collection<ServiceInstance<T>> instances() {
        return cache.getInstances();
    }

    long changes() {
        return changes.get();
    }

    synchronized void await(String address, boolean there) throws InterruptedException {
        while (cache.getInstances().stream().anyMatch(i -> i.getAddress().equals(address)) != there) {
            wait();
        }
    }

    void close() throws IOException {
        cache.close();
    }

    @Override
    public synchronized void cacheChanged() {
        changes.incrementAndGet();
        notifyAll();
    }

    @Override
    public void stateChanged(CuratorFramework client, ConnectionState state) {
        // the cache itself follows
    }
}

/** ZookeeperInstance has the fields of Spring Cloud's class of this name, which is in no package of Debian's. */
final class ZookeeperInstance {
    private String id;
    private String name;
    private Map<String, String> metadata = new HashMap<>();

    ZookeeperInstance() {
        // for the reader of JSON
    }

    ZookeeperInstance(String id, String name, Map<String, String> metadata) {
        this.id = id;
        this.name = name;
        this.metadata = metadata;
    }

    public String getId() {
        return id;
    }

    public void setId(String id) {
        this.id = id;
    }

    public String getName() {
        return name;
    }

    public void setName(String name) {
        this.name = name;
    }

    public Map<String, String> getMetadata() {
        return metadata;
    }

    public void setMetadata(Map<String, String> metadata) {
        this.metadata = metadata;
    }
}

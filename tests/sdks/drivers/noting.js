// A classic script, so that a page can have it before anything else; Node imports it for its effect.

/** A stand-in for `target` that tells `noted` the name of every function called through it. */
globalThis.noting = (target, prefix = "") =>
  new Proxy(Object.create(null), {
    get(_, name) {
      const value = target[name];
      if (typeof value === "function") {
        return (...args) => {
          globalThis.noted(prefix + name);
          return value.apply(target, args);
        };
      }
      return value !== null && typeof value === "object" ? globalThis.noting(value, `${prefix}${name}.`) : value;
    },
  });

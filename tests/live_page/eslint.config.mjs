import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "consistent-return": "error",
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-console": "error",
      "no-implicit-coercion": "error",
      "no-param-reassign": "off",
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Build elements: what clients sent must never be read as markup." },
        { property: "outerHTML", message: "Build elements: what clients sent must never be read as markup." },
        { property: "insertAdjacentHTML", message: "Build elements: what clients sent must never be read as markup." },
      ],
      "no-shadow": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
    },
  },
];

"""The log density of the model in its coordinates, compiled by numba, with its gradient.

Written in PyTensor's operations, the density is some hundred passes over the scores, which take
minutes to compile, for every table anew. Here it is a handful of loops that follow the equations of
:mod:`latentscale.graph`, each with its hand-derived reverse. They run over the scores that there
are, so that missing ones cost nothing; and tables, features and priors are data to them, so that
they are compiled once for a number of skills and a likelihood, and kept on disk.

==============  ==================================================================================
``arguments``   what the kernels take, by name
``laws``        priors, and the coordinates of what they are about
``benchmarks``  curves, difficulties, loadings and own slopes, relative to the middle of a curve
``features``    slopes that are shrunk, relative to what scores say of them at their relevance
``abilities``   what features, tuning and the spread of groups make of abilities
``links``       the curve of a benchmark, and where it reaches a rough expectation
``scatter``     log densities of a score about its expectation, one for each likelihood
``own``         what eta has before the group effects
``measuring``   a score as a Normal measurement of its eta
``skills``      smoothing on the tree from developers to LLMs: the effects on skills
``deviations``  the same, benchmark by benchmark: the deviations
``unknown``     what is unknown of LLMs, summed out of the effects
``scoring``     from effects to expected scores and their log density
``posterior``   effects and scores: the six before in order, and back
``whole``       all of it, in order and back
``directory``   the arrays that they read
``memory``      the arrays that they make
``callbacks``   the same as functions that nutpie calls
``apart``       calling one that is compiled apart
``on_disk``     their machine code, kept for other processes
``meanwhile``   another process, which compiles a part of them
``adding``      arrays added to others
``elementary``  exponentials and logarithms of whole arrays
``jit``         how all of it is compiled
==============  ==================================================================================

Smoothing. Each node of the tree has a vector of K skills::

    developer_d ~ Normal(0, precision_developer^-1)
    family_f ~ Normal(developer_d(f), precision_family^-1)
    recipe_r ~ Normal(family_f(r), precision_recipe^-1)
    llm_i    ~ Normal(recipe_r(i), precision_llm^-1)

(without developers, families are about zero; precisions are matrices), and scores are Normal
measurements of it: score o of LLM i on benchmark j measures ``loading_j . llm_i`` with value
``left_o`` and information ``u_o``, blurred by a variance of its own. Together they say about each
LLM that its log likelihood is ``pull . llm - llm' known llm / 2``.
Information is passed up the tree, each node integrated out in turn, and estimates down it: the
conditional mean of each node given its parent, plus ``w`` times its conditional spread,

    node = Q^-1 (precision parent + pull) + C^-T w,   Q = known + precision = C C'.

So standard Normal ``w`` give a draw of the joint conditional distribution, and the log Jacobian of
the map from ``w`` to the nodes is minus the sum of the logarithms of the diagonals of all C.
The recursions are those of Kalman smoothing on a tree (Chou, Willsky and Benveniste, 1994, IEEE
Transactions on Automatic Control 39).

A name that begins with ``d_`` is the derivative of the log density by what follows. ``skills`` is a
tuple with an entry for each skill: the compiler knows its length and unrolls the loops, which makes
them twice as fast.
"""
